"""What is hidden stays hidden, from somebody who has every table and reckons with all of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surveys.crosstab import ALL, cross
from surveys.definition import Answer
from surveys.loading import parse_definition
from surveys.tabulation import APART, BLANK, Base, Value, simple
from tests.surveys.attacker import Attacker, Meets

SMALLEST = 5
DEFINITION = parse_definition("""
key = "k"
title = "t"
[[questions]]
key = "used"
kind = "choice"
text = "x"
options = ["1", "2", "3"]
required = false
[[questions]]
key = "why"
kind = "scale"
text = "x"
high = 3
required = false
when = { question = "used", answers = ["1", "2"] }
[[questions]]
key = "sex"
kind = "choice"
text = "x"
options = ["1", "2"]
required = false
[[questions]]
key = "good"
kind = "multiple"
text = "x"
options = ["1", "2", "3", { label = "4", exclusive = true }]
at_most = 2
required = false
""")
STEPS = {step.key: step for step in DEFINITION.steps}


@st.composite
def sheets(draw: st.DrawFn) -> list[dict[str, Answer]]:
    """Few or many people, on whom some answers are common and some are rare, as where secrets are in danger."""
    chance = draw(st.randoms(use_true_random=False))
    kinds: dict[str, list[Answer]] = {
        "used": [1, 2, 3, None],
        "why": [1, 2, 3, None],
        "sex": [1, 2, None],
        "good": [[1], [2], [3], [1, 2], [2, 3], [4], None],
    }
    weights = {key: [0.02 + chance.random() ** 4 for _ in answers] for key, answers in kinds.items()}
    return [
        DEFINITION.cleaned({key: chance.choices(answers, weights[key])[0] for key, answers in kinds.items()})
        for _ in range(draw(st.sampled_from([6, 12, 25, 50, 120])))
    ]


def told_to_be_small(people: Sequence[dict[str, Answer]], rows: Sequence[str], column: str, base: Base) -> list[str]:
    """The small counts of which the tables tell that they are below the smallest count that may be shown."""
    wanted = {*rows, column} | ({"used"} if "why" in {*rows, column} else set())
    attacker = Attacker(DEFINITION, sorted(wanted))
    tables = [one for one in simple(DEFINITION, people, base=base, threshold=SMALLEST) if one.key in wanted]
    table = cross(DEFINITION, people, rows, column, threshold=SMALLEST)
    attacker.read_simple(tables)
    attacker.read_cross(table)
    secrets: dict[str, Meets] = {
        f"{one.key}={row.value}": attacker.chose(one.key, row.value) for one in tables for row in one.rows
    }
    secrets |= {f"{one.key} {value}": attacker.chose(one.key, value) for one in tables for value in (BLANK, APART)}
    secrets |= {str(cell): attacker.in_cell(table, cell) for cell in table.counts}
    small = {name: meets for name, meets in secrets.items() if 0 < sum(map(meets, people)) < SMALLEST}
    return [name for name, meets in small.items() if attacker.bounds(meets)[1] < SMALLEST - 0.001]


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        (["used"], "sex"),
        (["used"], "why"),  # a question with the one that its branch stands on
        (["sex"], "why"),  # and without it
        (["used", "sex"], "why"),
        (["good"], "sex"),  # people who stand in several cells
        (["used"], "good"),
    ],
)
@settings(max_examples=6, deadline=None)
@given(people=sheets(), base=st.sampled_from(["answered", "asked"]))
def test_no_small_count_can_be_told_from_all_the_tables_together(
    rows: list[str], column: str, people: list[dict[str, Answer]], base: Base
) -> None:
    assert told_to_be_small(people, rows, column, base) == []


def test_the_attacker_finds_what_is_not_hidden_well_enough() -> None:
    """An attacker that never succeeds would prove nothing."""
    people: list[dict[str, Answer]] = [
        {"used": used, "sex": sex} for used in (1, 2, 3) for sex in (1, 2) for _ in range(7)
    ]
    people += [{"used": 1, "sex": 1}]
    attacker = Attacker(DEFINITION, ["used", "sex"])
    attacker.read_simple(simple(DEFINITION, people, threshold=1)[:1])
    assert attacker.bounds(attacker.chose("used", 1)) == (15, 15)
    assert attacker.bounds(lambda one: one["used"] == 1 and one.get("sex") == 1) == (0, 15)
    attacker.learn(lambda one: one["used"] == 1 and one.get("sex") == 2, 7)
    attacker.learn(lambda one: one["used"] == 1 and one.get("sex") is None, 0)
    assert attacker.bounds(lambda one: one["used"] == 1 and one.get("sex") == 1) == (8, 8)


@pytest.mark.parametrize("rows", [["used", "sex"], ["good", "why"], ["sex", "good"]])
@settings(max_examples=15, deadline=None)
@given(people=sheets(), threshold=st.sampled_from([1, SMALLEST]))
def test_every_margin_is_what_the_simple_table_says_and_hidden_where_that_is(
    rows: list[str], people: list[dict[str, Answer]], threshold: int
) -> None:
    """With branches, blanks and several answers: options, no answer, and those who were not asked."""
    keys = [*rows, "why" if "why" not in rows else "used"]
    table = cross(DEFINITION, people, rows, keys[-1], blanks=True, threshold=threshold)
    tables = {one.key: one for one in simple(DEFINITION, people, base="asked", threshold=threshold)}
    assert table.total == len(people) or len(people) < threshold
    for place, axis in enumerate(table.axes):
        one = tables[axis.key]
        said = {row.value: row.count for row in one.rows} | {BLANK: one.blank}
        if STEPS[axis.key].question.when is not None:
            said[APART] = None if one.asked is None else len(people) - one.asked
        for value, _ in axis.values:
            cell: list[Value | None] = [ALL] * 3
            cell[place] = value
            shown = table.counts[tuple(cell)]
            assert shown == said[value]
