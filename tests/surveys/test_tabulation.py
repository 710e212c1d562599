"""Simple tables: counts, shares, blanks, means, and counts that are kept back."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surveys.definition import Answer, Definition
from surveys.loading import parse_definition
from surveys.tabulation import hide, mean, median, simple
from tests.surveys.conftest import poll

SHEETS: list[dict[str, Answer]] = [
    {"used": 1, "feel": 5, "comment": "早い"},
    {"used": 1, "feel": 4, "comment": None},
    {"used": 3, "why": [1, 2], "feel": 2, "comment": "難しい"},
    {"used": 3, "why": [2], "feel": 1},
]


def repeated(times: int, **answers: Answer) -> list[dict[str, Answer]]:
    return [dict(answers)] * times


def test_a_choice_is_counted_by_option_with_shares_of_those_who_answered() -> None:
    used = simple(poll(), SHEETS)[0]
    assert [(row.label, row.count, row.share) for row in used.rows] == [
        ("毎日", 2, 0.5),
        ("ときどき", 0, 0.0),
        ("使わない", 2, 0.5),
        ("その他", 0, 0.0),
    ]


def test_a_multiple_choice_is_shared_over_respondents_and_over_votes() -> None:
    why = simple(poll(), SHEETS)[1]
    assert (why.asked, why.answered, why.blank) == (2, 2, 0)
    assert [(row.count, row.share, row.vote_share) for row in why.rows[:2]] == [(1, 0.5, 1 / 3), (2, 1.0, 2 / 3)]


def test_blanks_may_count_in_the_base() -> None:
    sheets: list[dict[str, Answer]] = [*SHEETS, {"used": None, "feel": 3}]
    answered, asked = simple(poll(), sheets)[0], simple(poll(), sheets, base="asked")[0]
    assert (answered.blank, asked.blank) == (1, 1)
    assert (answered.rows[0].share, asked.rows[0].share) == (0.5, 0.4)


def test_a_scale_has_mean_and_median_and_free_text_its_words() -> None:
    tables = simple(poll(), SHEETS)
    assert (tables[2].mean, tables[2].median) == (3.0, 3.0)
    assert tables[2].rows[4].label == "5 良い"
    assert tables[3].words == ("早い", "難しい")
    assert (tables[3].answered, tables[3].blank) == (2, 2)


def test_no_answers_make_an_empty_table_and_no_division_by_nothing() -> None:
    tables = simple(poll(), [])
    assert all(row.share is None for table in tables for row in table.rows)
    assert tables[2].mean is None
    assert tables[2].median is None


def test_a_small_count_is_hidden_with_another_so_that_it_cannot_be_worked_out() -> None:
    sheets: list[dict[str, Answer]] = [*repeated(10, used=1, feel=3), *repeated(2, used=2, feel=3)]
    used = simple(poll(), sheets, threshold=5)[0]
    assert [row.count for row in used.rows] == [None, None, 0, 0]
    assert used.hidden
    feel = simple(poll(), sheets, threshold=5)[2]
    assert (feel.mean, feel.hidden) == (3.0, False)


def test_a_table_of_too_few_is_hidden_altogether() -> None:
    used = simple(poll(), SHEETS, threshold=5)[0]
    assert all(row.count is None for row in used.rows)
    assert (used.answered, used.blank) == (None, None)
    assert simple(poll(), SHEETS, threshold=5)[3].words == ()


def test_a_small_number_of_blanks_is_hidden_too() -> None:
    sheets: list[dict[str, Answer]] = [*repeated(10, used=1), *repeated(20, used=2), *repeated(2, used=None)]
    used = simple(poll(), sheets, threshold=5)[0]
    assert (used.blank, used.answered) == (None, None)
    assert [row.count for row in used.rows] == [None, 20, 0, 0]
    assert used.rows[1].share is None


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(2, 10))
def test_what_is_hidden_can_never_be_computed_back(counts: list[int], threshold: int) -> None:
    hidden = hide(counts, threshold)
    assert all(place in hidden for place, count in enumerate(counts) if 0 < count < threshold)
    if hidden:
        # The reader knows the total, hence the sum of what is hidden: it must leave more than one possibility.
        assert len(hidden) == len(counts) or len(hidden) > 1
        assert sum(counts[place] for place in hidden) >= threshold or len(hidden) == len(counts)


@given(st.lists(st.integers(1, 5), min_size=1))
def test_mean_and_median_are_those_of_the_standard_library(values: list[int]) -> None:
    counts: dict[int | float | str, int] = {value: values.count(value) for value in values}
    assert mean(counts) == pytest.approx(statistics.mean(values))
    assert median(counts) == statistics.median(values)


def test_tables_of_numbers_and_dates_list_what_occurs_in_order() -> None:
    definition: Definition = parse_definition("""
key = "k"
title = "t"
[[questions]]
key = "n"
kind = "number"
text = "x"
[[questions]]
key = "d"
kind = "date"
text = "x"
""")
    sheets: list[dict[str, Answer]] = [{"n": 10, "d": "2023-07-02"}, {"n": 9, "d": "2023-07-01"}, {"n": 10}]
    numbers, dates = simple(definition, sheets)
    assert [(row.value, row.count) for row in numbers.rows] == [(9, 1), (10, 2)]
    assert [row.label for row in dates.rows] == ["2023-07-01", "2023-07-02"]
