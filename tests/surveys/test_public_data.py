"""A public data set, asked as a survey: the tables are those of pandas, chi-square and V those of SciPy.

The penguins of Palmer Station (`palmerpenguins`), 344 of them, eleven of unknown sex and two that were not weighed.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from palmerpenguins import load_penguins
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association

from surveys.crosstab import ALL, cross
from surveys.definition import Answer, Choice, Definition
from surveys.importing import read_answers
from surveys.loading import parse_definition
from surveys.tabulation import BLANK, simple

VARIABLES = ("species", "island", "sex", "year")


@pytest.fixture(scope="module")
def penguins() -> pd.DataFrame:
    return load_penguins()


@pytest.fixture(scope="module")
def definition(penguins: pd.DataFrame) -> Definition:
    questions = [
        f'[[questions]]\nkey = "{name}"\nkind = "choice"\ntext = "{name}"\nrequired = false\n'
        f"options = {sorted(str(value) for value in penguins[name].dropna().unique())}\n"
        for name in VARIABLES
    ]
    weight = '[[questions]]\nkey = "mass"\nkind = "number"\ntext = "body_mass_g"\nrequired = false\n'
    head = 'key = "penguins"\ntitle = "Penguins"\nsmallest_cell = 1\n'
    return parse_definition(head + "".join(questions) + weight)


@pytest.fixture(scope="module")
def sheets(
    penguins: pd.DataFrame, definition: Definition, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Answer]]:
    path: Path = tmp_path_factory.mktemp("penguins") / "penguins.csv"
    penguins.astype({"body_mass_g": "Int64"}).to_csv(path, index=False)
    return read_answers(path, definition)


def label(definition: Definition, key: str, value: object) -> str:
    question = definition.by_key[key].question
    assert isinstance(question, Choice)
    return question.options[int(str(value)) - 1].label


@pytest.mark.parametrize("key", VARIABLES)
def test_a_simple_table_counts_as_pandas_does(
    penguins: pd.DataFrame, definition: Definition, sheets: list[dict[str, Answer]], key: str
) -> None:
    [table] = [one for one in simple(definition, sheets) if one.key == key]
    expected = penguins[key].value_counts()
    assert {row.label: row.count for row in table.rows} == {str(value): count for value, count in expected.items()}
    assert table.blank == penguins[key].isna().sum()
    assert sum(row.share or 0 for row in table.rows) == pytest.approx(1)


def test_mean_and_median_are_those_of_pandas(
    penguins: pd.DataFrame, definition: Definition, sheets: list[dict[str, Answer]]
) -> None:
    [table] = [one for one in simple(definition, sheets) if one.key == "mass"]
    assert (table.asked, table.blank) == (344, 2)
    assert table.mean == pytest.approx(penguins["body_mass_g"].mean())
    assert table.median == pytest.approx(penguins["body_mass_g"].median())


@pytest.mark.parametrize(("row", "column"), [*combinations(VARIABLES, 2)])
def test_a_cross_table_its_chi_square_and_v_are_those_of_pandas_and_scipy(
    penguins: pd.DataFrame, definition: Definition, sheets: list[dict[str, Answer]], row: str, column: str
) -> None:
    table = cross(definition, sheets, [row], column)
    expected = pd.crosstab(penguins[row], penguins[column], margins=True)
    for (value,) in table.rows():
        line = expected.loc[_as_in(penguins, row, label(definition, row, value))]
        for other, name in table.columns.values:
            assert table.counts[value, other] == line[_as_in(penguins, column, name)]
        assert table.counts[value, ALL] == line["All"]
    assert table.total == expected.loc["All", "All"]
    observed = pd.crosstab(penguins[row], penguins[column]).to_numpy()
    tested = chi2_contingency(observed, correction=False)
    assert table.association is not None
    assert table.association.chi_square == pytest.approx(tested.statistic, rel=1e-12)
    assert table.association.freedom == tested.dof
    assert table.association.p == pytest.approx(tested.pvalue, rel=1e-9)
    assert table.association.v == pytest.approx(association(observed, method="cramer"), rel=1e-12)


def test_a_table_of_four_questions_is_that_of_pandas(
    penguins: pd.DataFrame, definition: Definition, sheets: list[dict[str, Answer]]
) -> None:
    table = cross(definition, sheets, ["species", "island", "sex"], "year")
    expected = pd.crosstab([penguins["species"], penguins["island"], penguins["sex"]], penguins["year"])
    for row in table.rows():
        names = tuple(label(definition, key, value) for key, value in zip(VARIABLES, row, strict=False))
        for year, name in table.columns.values:
            wanted = expected.loc[names, int(name)] if names in expected.index else 0
            assert table.counts[(*row, year)] == wanted
    tested = chi2_contingency(expected.to_numpy(), correction=False)
    assert table.association is not None
    assert table.association.chi_square == pytest.approx(tested.statistic)
    assert table.association.freedom == tested.dof


def test_blanks_are_a_line_of_their_own_where_they_are_shown(
    penguins: pd.DataFrame, definition: Definition, sheets: list[dict[str, Answer]]
) -> None:
    table = cross(definition, sheets, ["sex"], "species", blanks=True)
    unknown = penguins[penguins["sex"].isna()]["species"].value_counts()
    for value, name in table.columns.values:
        if value != BLANK:
            assert table.counts[BLANK, value] == unknown.get(name, 0)
    assert table.total == len(penguins)


def _as_in(penguins: pd.DataFrame, key: str, name: str) -> object:
    return int(name) if key == "year" else name
