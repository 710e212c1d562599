"""Tables on paper: the files are opened again and read."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest

from bot.texts import Texts
from surveys.crosstab import cross
from surveys.definition import Answer
from surveys.exports.csv import harmless, to_csv
from surveys.exports.html import to_html
from surveys.exports.paper import Paper
from surveys.exports.xlsx import to_xlsx
from surveys.loading import load_definition
from surveys.tabulation import simple
from surveys.words import Word
from tests.surveys.conftest import poll

TEXTS = Texts("surveys")


def paper(threshold: int = 1, words: str = "=1+1 <b>髙橋</b>", *, counted: bool = False) -> Paper:
    sheets: list[dict[str, Answer]] = [
        {"used": used, "feel": feel, "comment": None}
        for used in (1, 2)
        for feel in (1, 2, 3)
        for _ in range(used * feel)
    ]
    sheets += [{"used": 1, "feel": 5, "comment": words}, {"used": None, "feel": None, "comment": None}]
    return Paper(
        title="試行アンケート",
        day=date(2023, 7, 31),
        respondents=len(sheets),
        tables=simple(poll(), sheets, threshold=threshold),
        crosses=[
            cross(poll(), sheets, ["used"], "feel", threshold=threshold),
            cross(poll(), sheets, ["used", "why"], "feel", blanks=True),
        ],
        note="職員は模擬です。",
        words={"comment": [Word("業務チャット", 1)]} if counted else {},
    )


def rows_of(data: bytes, encoding: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(encoding))))


def test_csv_holds_title_date_number_of_answers_and_every_table() -> None:
    data, missing = to_csv(paper(), TEXTS)
    assert data.startswith(b"\xef\xbb\xbf")
    assert missing == ()
    rows = rows_of(data, "utf-8-sig")
    assert rows[0] == ["試行アンケート"]
    assert ["集計日", "2023-07-31"] in rows
    assert ["回答数", "20"] in rows
    assert ["毎日", "7", "0.3684"] in rows
    assert ["無回答", "1", ""] in rows
    assert ["使いましたか。", "1", "2", "3", "4", "5 良い", "合計"] in rows
    assert ["毎日", "1", "2", "3", "0", "1", "7"] in rows
    assert any(row and row[0].startswith("カイ二乗") for row in rows)
    assert any(row and row[0].startswith("期待度数") for row in rows)


def test_csv_in_cp932_replaces_what_it_lacks_and_says_so() -> None:
    data, missing = to_csv(paper(words="😀 使える 😀"), TEXTS, "cp932")
    assert missing == ("😀",)
    assert ["〓 使える 〓", "", ""] in rows_of(data, "cp932")


@pytest.mark.parametrize("field", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_what_people_wrote_is_never_a_formula_in_csv(field: str) -> None:
    assert harmless(field) == "'" + field
    assert harmless(-1.0) == -1.0


def test_hidden_counts_are_marked_and_explained() -> None:
    text = to_csv(paper(threshold=5), TEXTS)[0].decode("utf-8-sig")
    assert "*,少数のため非表示" in text


def test_the_workbook_opens_with_tables_on_sheets_and_native_charts() -> None:
    data = to_xlsx(paper(), TEXTS)
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == ["単純集計", "クロス集計1", "クロス集計2", "クロス集計2（構成比）"]
    simple_sheet = book["単純集計"]
    values = [[cell.value for cell in row] for row in simple_sheet.iter_rows(max_col=3)]
    assert values[0][0] == "試行アンケート"
    assert ["毎日", 7, pytest.approx(7 / 19)] in values
    formulas = [cell for row in simple_sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert formulas == []
    assert ["=1+1 <b>髙橋</b>", None, None] in values
    crossed = [[cell.value for cell in row] for row in book["クロス集計1"].iter_rows(max_col=7)]
    assert ["毎日", 1, 2, 3, 0, 1, 7] in crossed
    nested = [[cell.value for cell in row] for row in book["クロス集計2"].iter_rows(max_col=2)]
    assert ["毎日", "小計"] in nested
    assert [None, "難しい"] in nested or ["", "難しい"] in nested
    assert [str(area) for area in book["クロス集計2"].merged_cells.ranges if str(area).startswith("A")]
    assert simple_sheet.page_setup.paperSize == 9
    assert simple_sheet.page_setup.fitToHeight == 0
    assert book["クロス集計1"].page_setup.orientation == "portrait"
    assert book["クロス集計2"].page_setup.orientation == "landscape"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        charts = [name for name in archive.namelist() if name.startswith("xl/charts/chart")]
    assert len(charts) == 4


def test_the_page_is_self_contained_and_escapes_what_people_wrote() -> None:
    page = to_html(paper(), TEXTS)
    assert "&lt;b&gt;髙橋" in page
    assert "36.8%" in page
    assert "http" not in page
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            seen.append(tag)

    Reader().feed(page)
    assert seen.count("section") == 8
    assert "script" not in seen
    assert "b" not in seen


def test_the_frequent_words_stand_below_their_question_in_every_form() -> None:
    rows = rows_of(to_csv(paper(counted=True), TEXTS)[0], "utf-8-sig")
    assert rows.index(["よく出てくる言葉：ご意見を。"]) == rows.index(["言葉", "記述の件数", "割合"]) - 1
    assert ["業務チャット", "1", "1.0"] in rows
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(paper(counted=True), TEXTS)))
    assert ["業務チャット", 1, 1] in [[cell.value for cell in row] for row in book["単純集計"].iter_rows(max_col=3)]
    assert '業務チャット</th><td class="number">1</td><td class="number">100.0%' in to_html(paper(counted=True), TEXTS)


def test_a_cross_table_of_three_questions_begins_each_group_with_its_sum_as_the_printed_one_does() -> None:
    here = Path(__file__).parent
    definition = load_definition(here.parents[1] / "config" / "surveys" / "attitude-survey-2023.toml")
    printed = json.loads((here / "attitude-survey-2023.json").read_text(encoding="utf-8"))["cross"]["cells"]
    sexes, skills = (list(labels) for labels in (printed, printed["男"]))
    sheets: list[dict[str, Answer]] = [
        {"q3": sexes.index(sex) + 1, "q6": skills.index(skill) + 1, "q2": age}
        for sex, by_skill in printed.items()
        for skill, counts in by_skill.items()
        for age, count in enumerate(counts, start=1)
        for _ in range(count)
    ]
    table = cross(definition, sheets, ["q3", "q6"], "q2")
    made = Paper(
        title=definition.title,
        day=date(2023, 6, 1),
        respondents=len(sheets),
        tables=simple(definition, sheets),
        crosses=[table],
        period=(date(2023, 5, 22), date(2023, 6, 1)),
        form="01212",
    )
    rows = rows_of(to_csv(made, TEXTS)[0], "utf-8-sig")
    assert ["男", "小計", "14", "24", "39", "43", "12", "132"] in rows
    assert ["女", "小計", "12", "16", "22", "29", "7", "86"] in rows
    assert ["", "十分使いこなせている", "4", "4", "7", "0", "1", "16"] in rows
    assert ["集計期間", "2023-05-22〜2023-06-01"] in rows
    assert ["様式", "01212"] in rows
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(made, TEXTS)))
    sheet = book["クロス集計1"]
    (start,) = [row[0].row for row in sheet.iter_rows(max_col=2) if [cell.value for cell in row] == ["男", "小計"]]
    assert start is not None
    assert f"A{start}:A{start + 5}" in {str(area) for area in sheet.merged_cells.ranges}
    assert "小計" in to_html(made, TEXTS)
