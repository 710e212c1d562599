from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from trial.parameters import load_parameters
from trial.report.figures import costs

DEFAULT = Path(__file__).parents[2] / "config" / "trial" / "default.toml"


def test_the_default_file_is_complete_and_holds_the_papers_prices() -> None:
    parameters = load_parameters(DEFAULT)
    table = parameters.cost.table()
    assert [(tier.first, tier.price) for tier in table] == [(1, 400), (501, 350), (3001, 300), (10001, None)]
    assert costs(225, table, reading="all", tax_percent=parameters.cost.tax_percent).monthly_with_tax == 99_000


def test_every_parameter_of_the_default_file_has_a_word_in_japanese_and_english() -> None:
    section = ""
    explained = False
    for line in DEFAULT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
            explained = "#" in line
        elif line.startswith("#"):
            explained = True
        elif "=" in line and not line.startswith(" "):
            assert explained or "#" in line, f"{section} {line}: nothing says what this is"


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("absent = 0.05", "absent = 1.5", "reading.habits.absent"),
        ("absent = 0.05", "", "reading.habits.absent"),
        ("absent = 0.05", "absent = 0.05\nabsnet = 0.05", "reading.habits.absnet"),
        ("days = [0.4, 0.8, 1.4, 2.5, 4.0]", "days = [0.4, 0.8]", "onboarding.days"),
        ("opens = 08:30:00", "opens = 18:30:00", "hours"),
        ("typhoon_days = [5, 20]", "typhoon_days = [20, 5]", "typhoon_days"),
        ("{ first = 1, price = 400 },", "", "tiers must begin"),
        ("absent = 0.05", "absent = = 0.05", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_name_of_what_is_wrong(tmp_path: Path, old: str, new: str, word: str) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=word) as caught:
        load_parameters(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read"):
        load_parameters(tmp_path / "nowhere.toml")
