"""Definitions and their files: what is right is read, what is wrong is named by line and field."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest

from bot.recurrence import Rule
from surveys.definition import Definition
from surveys.loading import SIZE_LIMIT, DefinitionError, load_definition, load_definitions, parse_definition
from tests.surveys.conftest import POLL

FOLDER = Path(__file__).parent.parent.parent / "config" / "surveys"

TOML = """key = "k"
title = "t"

[[questions]]
key = "one"
kind = "choice"
text = '''
[[questions]]
looks like a header, but is text
'''
options = ["a", "b"]

[[questions]]
key = "two"
kind = "scale"
text = "x"
high = 5
"""
YAML = """key: k
title: t
questions:
  - key: one
    kind: choice
    text: x
    options: [a, b]
  - key: two
    kind: scale
    text: x
    high: 5
"""


def test_the_definitions_of_the_house_are_right() -> None:
    found = load_definitions(FOLDER)
    assert set(found) == {"trial-feedback", "attitude-survey-2023"}
    assert len(found["trial-feedback"].questions) == 4
    assert [step.key for step in found["attitude-survey-2023"].steps] == ["q1", "q2", "q3", "q4", "q6", "q7"]


def test_toml_and_yaml_say_the_same() -> None:
    toml, yaml = parse_definition(TOML), parse_definition(YAML, "yaml")
    assert [step.key for step in toml.steps] == [step.key for step in yaml.steps]
    assert toml.questions[1] == yaml.questions[1]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("high = 5", "high = 50", "line 17, questions[2].high: "),
        ('kind = "scale"', 'kind = "scala"', "line 13, questions[2]: "),
        ('options = ["a", "b"]', 'options = ["a"]', "line 11, questions[1].options: "),
        (
            'options = ["a", "b"]',
            'options = ["a", "a"]',
            "line 11, questions[1].options: the option 'a' stands there twice",
        ),
        ('options = ["a", "b"]', 'options = ["a", {label = 3}]', "line 11, questions[1].options[2].label: "),
        ('options = ["a", "b"]', 'option = ["a", "b"]', "line 11, questions[1].option: "),
        ('title = "t"', 'title = ""', "line 2, title: "),
        ('title = "t"\n', "", "line 1, title: Field required"),
        ('key = "two"', 'key = "one"', "line 14, questions[2].key: the key 'one' stands there twice"),
        ('key = "two"', 'key = "Zwei!"', "line 14, questions[2].key: "),
        ('title = "t"', 'title = "t', "not valid TOML: "),
        (
            "high = 5",
            'high = 5\nwhen = {question = "none", answers = ["a"]}',
            "line 18, questions[2].when: depends on 'none', which no earlier question",
        ),
        (
            "high = 5",
            'high = 5\nwhen = {question = "one", answers = ["c"]}',
            "line 18, questions[2].when: waits for 'c', which 'one' does not offer",
        ),
    ],
)
def test_a_fault_in_toml_is_named_by_line_and_field(old: str, new: str, error: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        parse_definition(TOML.replace(old, new))
    assert error in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("high: 5", "high: 50", "line 11, questions[2].high: "),
        ("options: [a, b]", "options: [a]", "line 7, questions[1].options: "),
        ("title: t\n", "", "line 1, title: Field required"),
        ("    high: 5", "   high: 5", "not valid YAML"),
        (YAML, "- a\n- b\n", "line 1: a definition is a table"),
    ],
)
def test_a_fault_in_yaml_is_named_by_line_and_field(old: str, new: str, error: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        parse_definition(YAML.replace(old, new), "yaml")
    assert error in str(raised.value)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(DefinitionError) as raised:
        parse_definition(TOML.replace("high = 5", "high = 50").replace('title = "t"', 'title = ""'))
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ('kind = "multiple"\noptions = ["a", "b"]\nat_least = 3', "at_least must not exceed"),
        ('kind = "number"\nminimum = 3\nmaximum = 1', "minimum must not exceed maximum"),
        ('kind = "date"\nearliest = 2023-07-02\nlatest = 2023-07-01', "earliest must not be after latest"),
        ('kind = "text"\nwhen = {question = "one", answers = ["a"]}', "only choices and scales can branch"),
    ],
)
def test_bounds_that_nobody_can_meet_are_refused(lines: str, error: str) -> None:
    first = 'key = "k"\ntitle = "t"\n[[questions]]\nkey = "one"\nkind = "text"\ntext = "x"\n'
    text = f'{first}[[questions]]\nkey = "two"\ntext = "x"\n{lines}'
    with pytest.raises(DefinitionError) as raised:
        parse_definition(text)
    assert error in str(raised.value)


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.toml").write_bytes("題".encode("cp932"))
    (tmp_path / "c.toml").write_text("#" * (SIZE_LIMIT + 1))
    (tmp_path / "d.yml").write_text("key: k")
    for name, error in (
        ("a.json", "ends in .toml"),
        ("b.toml", "not in UTF-8"),
        ("c.toml", "larger than"),
        ("d.yml", "d.yml: line 1, title"),
        ("none.toml", "cannot be read"),
    ):
        with pytest.raises(DefinitionError, match=error):
            load_definition(tmp_path / name)


def test_two_files_with_one_key_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "b.yaml").write_text(YAML)
    with pytest.raises(DefinitionError, match="taken by another file"):
        load_definitions(tmp_path)


def test_the_threshold_is_five_for_anonymous_and_none_for_named_surveys() -> None:
    assert parse_definition(TOML).threshold == 5
    assert parse_definition('anonymity = "named"\n' + TOML).threshold == 1
    assert parse_definition("smallest_cell = 3\n" + TOML).threshold == 3


def test_a_definition_survives_the_database() -> None:
    definition = parse_definition(TOML)
    assert Definition.model_validate_json(definition.model_dump_json()) == definition


def test_a_definition_says_when_it_opens_until_when_and_to_whom() -> None:
    text = 'opens = "毎月20日 09:00 翌開庁日"\nuntil = 2023-12-31\naudience = ["福祉部", "災害連絡用"]\n'
    found = parse_definition(text + POLL.format(anonymity="named", smallest=1))
    assert found.rule == Rule(every="month", at=time(9), day=20, moved=True)
    assert (found.until, found.audience) == (date(2023, 12, 31), ["福祉部", "災害連絡用"])
    assert parse_definition(POLL.format(anonymity="named", smallest=1)).rule is None


@pytest.mark.parametrize("words", ["いつか", "毎月20日", "毎月20日 09:00 かならず", "2023-02-30 09:00"])
def test_a_time_to_open_that_cannot_be_read_is_named_by_line(words: str) -> None:
    with pytest.raises(DefinitionError, match=f"line 1, opens: '{words}' is no time"):
        parse_definition(f'opens = "{words}"\n' + POLL.format(anonymity="named", smallest=1))
