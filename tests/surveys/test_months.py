"""The same questionnaire in several months, side by side."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, fisher_exact

from bot.clock import TOKYO
from bot.storage import Database
from bot.texts import Texts
from surveys.counting import CannotCount
from surveys.definition import Answer, Definition
from surveys.exports.csv import to_csv
from surveys.exports.trends import trends_paper
from surveys.exports.xlsx import to_xlsx
from surveys.importing import import_answers
from surveys.months import Comparison, compare, plain, two_proportions
from tests.surveys.conftest import Hall, poll

TEXTS = Texts("surveys")


def answers(daily: int, sometimes: int, never: int, feel: int = 3) -> list[dict[str, Answer]]:
    used = [1] * daily + [2] * sometimes + [3] * never
    return [{"used": code, "why": [1] if code == 3 else None, "feel": feel, "comment": None} for code in used]


async def store(hall: Hall, month: int, sheets: list[dict[str, Answer]], definition: Definition | None = None) -> int:
    async with hall.database.transaction() as db:
        day = datetime(2023, month, 20, tzinfo=TOKYO)
        return await import_answers(db, hall.clock, definition or poll(), sheets, collected=day)


async def compared(hall: Hall, question: str | None = None, key: str = "poll") -> Comparison:
    async with hall.database.snapshot() as db:
        return await compare(db, hall.vault, key, question)


async def test_shares_stand_side_by_side_with_the_change_and_its_significance(hall: Hall) -> None:
    await store(hall, 8, answers(60, 30, 10, 5))
    await store(hall, 7, answers(30, 50, 20, 3))
    found = await compared(hall)
    assert [month.day.month for month in found.months] == [7, 8]
    used = found.trends[0]
    daily = used.lines[0]
    assert (daily.label, daily.counts, daily.shares) == ("毎日", (30, 60), (0.3, 0.6))
    assert daily.change == pytest.approx(0.3)
    assert daily.p == pytest.approx(chi2_contingency([[30, 70], [60, 40]], correction=False).pvalue)
    assert used.association is not None
    assert used.association.chi_square == pytest.approx(chi2_contingency([[30, 50, 20], [60, 30, 10]]).statistic)
    assert next(trend for trend in found.trends if trend.key == "feel").means == (3, 5)
    assert plain(found)["months"][0]["day"] == "2023-07-20"


async def test_what_is_hidden_in_one_month_stays_hidden_and_no_figure_is_made_of_it(hall: Hall) -> None:
    await store(hall, 7, answers(30, 50, 2), poll(smallest=5))
    await store(hall, 8, answers(40, 40, 20), poll(smallest=5))
    [used] = (await compared(hall, "used")).trends
    never = used.lines[2]
    assert never.counts == (None, 20)
    assert never.shares[0] is None
    assert never.change is None
    assert never.p is None
    assert used.association is None
    rows = list(csv.reader(io.StringIO(to_csv(trends_paper(await compared(hall, "used"), TEXTS), TEXTS)[0].decode())))
    assert ["使わない", "*", "*", "20", "0.2", "", "", ""] in rows
    assert any(row[0] == "*" for row in rows if row)


async def test_an_option_that_came_later_has_no_share_before(hall: Hall) -> None:
    later = poll().model_dump()
    later["questions"][0]["options"].insert(0, {"label": "朝だけ"})
    await store(hall, 7, answers(10, 10, 0))
    await store(hall, 8, answers(10, 10, 0), Definition.model_validate(later))
    [used] = (await compared(hall, "used")).trends
    assert [(line.label, line.counts) for line in used.lines[:3]] == [
        ("朝だけ", (0, 10)),
        ("毎日", (10, 10)),
        ("ときどき", (10, 0)),
    ]
    assert used.lines[0].shares[0] is None
    assert used.lines[0].change is None


async def test_the_paper_names_months_and_says_what_may_be_chance(hall: Hall) -> None:
    await store(hall, 7, answers(30, 50, 20))
    await store(hall, 8, answers(60, 30, 10))
    await store(hall, 8, answers(60, 20, 20))
    paper = trends_paper(await compared(hall, "used"), TEXTS)
    text = to_csv(paper, TEXTS)[0].decode()
    assert "2023-08-20 #2 件数" in text
    assert "差があるとは言えない" in text
    assert "カイ二乗" in text
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(paper, TEXTS)))
    assert book.sheetnames == ["月別比較"]
    values = [[cell.value for cell in row] for row in book["月別比較"].iter_rows(max_col=10)]
    assert ["毎日", 30, 0.3, 60, 0.6, 60, 0.6, 0, 1, "差があるとは言えない"] in values


async def test_a_comparison_takes_two_surveys_that_may_be_seen_and_a_question_that_can_be_compared(
    hall: Hall, database: Database
) -> None:
    with pytest.raises(CannotCount, match="There are 0 surveys"):
        await compared(hall, key="none")
    await store(hall, 6, answers(1, 1, 1))
    await hall.open(poll())
    with pytest.raises(CannotCount, match="There are 1 surveys"):
        await compared(hall)
    await store(hall, 7, answers(1, 1, 1))
    with pytest.raises(CannotCount, match="nothing to compare"):
        await compared(hall, "comment")


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_the_test_is_that_of_scipy_and_exact_where_counts_are_small(n: int, m: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    p = two_proportions(a, n, b, m)
    table = [[a, n - a], [b, m - b]]
    if a + b in {0, n + m}:
        assert p is None
        return
    result = chi2_contingency(table, correction=False)
    exact = min(float(value) for row in result.expected_freq for value in row) < 5 - 1e-12
    assert p == pytest.approx(fisher_exact(table).pvalue if exact else result.pvalue)
