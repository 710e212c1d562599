"""Cross tables: cells, margins, tests of association, and cells that stay hidden."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association

from surveys.crosstab import ALL, CannotTabulate, CrossTable, cross
from surveys.definition import Answer, Definition
from surveys.loading import load_definition, parse_definition
from surveys.suppression import Cell
from surveys.tabulation import BLANK, simple

ROOT = Path(__file__).parent.parent.parent
DEFINITION = parse_definition("""
key = "k"
title = "t"
[[questions]]
key = "a"
kind = "choice"
text = "x"
options = ["1", "2", "3"]
[[questions]]
key = "b"
kind = "scale"
text = "x"
high = 4
[[questions]]
key = "c"
kind = "choice"
text = "x"
options = ["1", "2"]
[[questions]]
key = "m"
kind = "multiple"
text = "x"
options = ["1", "2", "3"]
[[questions]]
key = "t"
kind = "text"
text = "x"
""")

sheets_of = st.lists(
    st.fixed_dictionaries({"a": st.integers(1, 3), "b": st.integers(1, 4), "c": st.integers(1, 2)}), max_size=60
)
Sheets = list[dict[str, Answer]]


def given_sheets(rows: Sequence[dict[str, int]]) -> Sheets:
    return [dict(row) for row in rows]


@settings(max_examples=25, deadline=None)
@given(sheets_of)
def test_every_margin_equals_the_simple_table(rows: list[dict[str, int]]) -> None:
    sheets = given_sheets(rows)
    table = cross(DEFINITION, sheets, ["a", "c"], "b")
    for axis, key in enumerate(("a", "c", "b")):
        expected = next(one for one in simple(DEFINITION, sheets) if one.key == key)
        for row in expected.rows:
            cell: list[int | float | str | None] = [ALL] * 3
            cell[axis] = row.value
            assert table.counts[tuple(cell)] == row.count
    assert table.total == len(sheets)


@settings(max_examples=25, deadline=None)
@given(sheets_of)
def test_the_cells_equal_those_of_pandas(rows: list[dict[str, int]]) -> None:
    table = cross(DEFINITION, given_sheets(rows), ["a", "c"], "b")
    if rows:
        frame = pd.DataFrame(rows)
        expected = pd.crosstab([frame["a"], frame["c"]], frame["b"])
        for (a, c), line in expected.iterrows():
            for b, count in line.items():
                assert table.counts[a, c, b] == count


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=4, max_size=80))
def test_chi_square_and_v_equal_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    table = cross(DEFINITION, [{"a": a, "b": b} for a, b in pairs], ["a"], "b")
    frame = pd.DataFrame(pairs, columns=["a", "b"])
    observed = pd.crosstab(frame["a"], frame["b"]).to_numpy()
    if min(observed.shape) < 2:
        assert table.association is None
        return
    expected = chi2_contingency(observed, correction=False)
    assert table.association is not None
    assert table.association.chi_square == pytest.approx(expected.statistic)
    assert table.association.freedom == expected.dof
    assert table.association.p == pytest.approx(expected.pvalue)
    assert table.association.v == pytest.approx(association(observed, method="cramer"), abs=1e-9)


def test_low_expected_counts_are_pointed_out() -> None:
    few = cross(DEFINITION, [{"a": 1, "c": 1}, {"a": 2, "c": 2}], ["a"], "c")
    many = cross(DEFINITION, [{"a": a, "c": c} for a, c in product((1, 2), (1, 2)) for _ in range(10)], ["a"], "c")
    assert few.association is not None
    assert few.association.low_expected
    assert many.association is not None
    assert not many.association.low_expected
    assert many.association.v == 0


def test_a_person_with_several_answers_counts_once_in_the_margin() -> None:
    table = cross(DEFINITION, [{"m": [1, 2], "c": 1}, {"m": [2], "c": 2}], ["m"], "c")
    assert table.counts[2, ALL] == 2
    assert table.counts[ALL, 1] == 1
    assert table.counts[ALL, ALL] == 2
    assert table.association is None


def test_blanks_are_left_out_or_shown() -> None:
    sheets: Sheets = [{"a": 1, "c": 1}, {"a": None, "c": 1}, {"c": 2}]
    assert cross(DEFINITION, sheets, ["a"], "c").total == 1
    with_blanks = cross(DEFINITION, sheets, ["a"], "c", blanks=True)
    assert with_blanks.counts[BLANK, 1] == 1
    assert with_blanks.total == 3
    assert list(with_blanks.rows()) == [(1,), (2,), (3,), (BLANK,)]


@pytest.mark.parametrize(
    ("rows", "column", "error"),
    [
        (["a"], "zz", "no question 'zz'"),
        (["t"], "a", "'t' is a text"),
        (["a"], "a", "each of them once"),
        ([], "a", "two"),
    ],
)
def test_a_table_that_cannot_be_made_says_why(rows: list[str], column: str, error: str) -> None:
    with pytest.raises(CannotTabulate, match=error):
        cross(DEFINITION, [], rows, column)


class Reader:
    """What a reader can compute of hidden cells, from an independent formulation: the unknown are the innermost cells
    alone, and every shown figure is a sum of them."""

    def __init__(self, table: CrossTable) -> None:
        self._inner = list(product(*([value for value, _ in axis.values] for axis in table.axes)))
        shown = {key: count for key, count in table.counts.items() if count is not None}
        self._equations = [self._parts(key) for key in shown]
        self._sums = [float(count) for count in shown.values()]

    def _parts(self, key: Cell) -> list[float]:
        return [float(all(k is ALL or k == c for k, c in zip(key, one, strict=True))) for one in self._inner]

    def bounds(self, cell: Cell) -> tuple[float, float]:
        """The least and the most that a cell may hold."""
        known = {"A_eq": self._equations, "b_eq": self._sums, "bounds": (0, None), "method": "highs"}
        least, most = (linprog([sign * part for part in self._parts(cell)], **known) for sign in (1, -1))
        return least.fun, -most.fun


@pytest.mark.parametrize("outer", [["a"], ["c", "a"]])
@settings(max_examples=15, deadline=None)
@given(sheets_of.filter(lambda rows: len(rows) >= 5))
def test_no_hidden_small_cell_can_be_computed_back(outer: list[str], rows: list[dict[str, int]]) -> None:
    sheets = given_sheets(rows)
    true = cross(DEFINITION, sheets, outer, "b", blanks=True).counts
    table = cross(DEFINITION, sheets, outer, "b", threshold=5)
    reader = Reader(table)
    for cell, count in table.counts.items():
        real = true[cell]
        assert real is not None
        assert count is None or count == 0 or count >= 5
        if count is None and 0 < real < 5:
            least, most = reader.bounds(cell)
            assert most - least > 0.5, (cell, least, most)


def test_a_lone_small_cell_takes_others_with_it() -> None:
    counts = {(1, 1): 2, (1, 2): 20, (2, 1): 30, (2, 2): 40, (3, 1): 15, (3, 2): 25}
    sheets: Sheets = [{"a": a, "c": c} for (a, c), count in counts.items() for _ in range(count)]
    table = cross(DEFINITION, sheets, ["a"], "c", threshold=5)
    hidden = {cell for cell, count in table.counts.items() if count is None}
    assert hidden == {(1, 1), (1, 2), (3, 1), (3, 2)}
    assert table.association is None


def test_too_few_people_make_an_empty_table_and_too_many_small_cells_hide_the_inside() -> None:
    assert set(cross(DEFINITION, [{"a": 1, "c": 1}], ["a"], "c", threshold=5).counts.values()) == {None}
    options = ", ".join(f'"{number}"' for number in range(20))
    wide = parse_definition(
        'key = "k"\ntitle = "t"\n'
        + "".join(f'[[questions]]\nkey = "{key}"\nkind = "choice"\ntext = "x"\noptions = [{options}]\n' for key in "pq")
    )
    sheets: Sheets = [{"p": p, "q": q} for p, q in product(range(1, 21), range(1, 21))]
    table = cross(wide, sheets, ["p"], "q", threshold=5)
    assert all((count is None) == (ALL not in cell) for cell, count in table.counts.items())


def test_the_published_cross_table_comes_out_as_it_was_printed() -> None:
    """Sex × skill × age of 2023, from sheets made of the table itself plus the one blank answer."""
    definition: Definition = load_definition(ROOT / "config" / "surveys" / "attitude-survey-2023.toml")
    printed = json.loads((Path(__file__).parent / "attitude-survey-2023.json").read_text(encoding="utf-8"))
    labels = {step.key: [option.label for option in step.question.options] for step in definition.steps}  # type: ignore[union-attr] # all of them are choices
    sheets: Sheets = []
    for sex, by_skill in printed["cross"]["cells"].items():
        for skill, by_age in by_skill.items():
            for age, count in enumerate(by_age, start=1):
                one: dict[str, Answer] = {
                    "q3": labels["q3"].index(sex) + 1,
                    "q6": labels["q6"].index(skill) + 1,
                    "q2": age,
                }
                sheets += [one] * count
    sheets.append({"q2": None, "q3": None, "q6": 2})
    table = cross(definition, sheets, ["q3", "q6"], "q2")
    assert table.total == 224
    tables = {one.key: one for one in simple(definition, sheets)}
    for key, title in (("q2", "Q2 年代"), ("q3", "Q3 性別")):
        assert {row.label: row.count for row in tables[key].rows} == printed["simple"][title]
        assert tables[key].blank == 1
    skill_title = "Q6 スマホやタブレット等のデジタル機器の操作について"
    assert {row.label: row.count for row in tables["q6"].rows} == printed["simple"][skill_title]
    assert tables["q6"].asked == printed["respondents"] == 225
