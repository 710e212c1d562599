"""Answers collected elsewhere go in, and come out as the tables that were printed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import select

from surveys.definition import Definition
from surveys.importing import FAULTS_NAMED, ImportFault, import_answers, read_answers
from surveys.loading import load_definition, parse_definition
from surveys.tables import survey_sheets
from tests.surveys.conftest import Hall, poll

ROOT = Path(__file__).parent.parent.parent
PRINTED = json.loads((Path(__file__).parent / "attitude-survey-2023.json").read_text(encoding="utf-8"))


@pytest.fixture
def definition() -> Definition:
    return load_definition(ROOT / "config" / "surveys" / "attitude-survey-2023.toml")


def published_answers() -> list[dict[str, str]]:
    """225 lines that agree with every published table; what no table ties together is dealt out by a seeded hand."""
    simple, titles = PRINTED["simple"], list(PRINTED["simple"])
    lines = [
        {"Q3 性別": sex, titles[4]: skill, "Q2 年代": age}
        for sex, by_skill in PRINTED["cross"]["cells"].items()
        for skill, counts in by_skill.items()
        for age, count in zip(PRINTED["cross"]["column_values"], counts, strict=True)
        for _ in range(count)
    ]
    lines.append({"Q3 性別": "", titles[4]: "ある程度使いこなせている", "Q2 年代": ""})
    dealer = random.Random(2023)
    for title in (titles[0], titles[3], titles[5]):
        cards = [label for label, count in simple[title].items() for _ in range(count)]
        dealer.shuffle(cards)
        for line, card in zip(lines, cards, strict=True):
            line[title] = card
    return lines


def write_csv(path: Path, lines: list[dict[str, str]], encoding: str = "utf-8-sig") -> Path:
    titles = list(lines[0])
    rows = [",".join(titles), *(",".join(line[title] for title in titles) for line in lines)]
    path.write_text("\r\n".join(rows), encoding=encoding, newline="")
    return path


@pytest.mark.parametrize("kind", ["utf-8", "cp932", "xlsx"])
async def test_the_published_survey_comes_out_as_it_was_printed(
    hall: Hall, tmp_path: Path, definition: Definition, kind: str
) -> None:
    lines = published_answers()
    if kind == "xlsx":
        path = tmp_path / "answers.xlsx"
        book = openpyxl.Workbook()
        for row in [list(lines[0]), *(list(line.values()) for line in lines)]:
            book.worksheets[0].append(row)
        book.save(path)
    else:
        path = write_csv(tmp_path / "answers.csv", lines, kind)
    sheets = read_answers(path, definition)
    async with hall.database.transaction() as db:
        survey_id = await import_answers(db, hall.clock, definition, sheets)
    results = await hall.surveys.results(survey_id)
    assert (results.asked, results.respondents) == (225, 225)
    for table in results.tables:
        assert {row.label: row.count for row in table.rows} == PRINTED["simple"][table.text]
        assert table.blank == (1 if table.key in {"q2", "q3"} else 0)


async def test_an_import_keeps_neither_the_order_of_the_lines_nor_columns_it_was_not_asked_for(
    hall: Hall, tmp_path: Path, definition: Definition
) -> None:
    lines = [{**line, "メールアドレス": f"user{n}@example.jp"} for n, line in enumerate(published_answers())]
    sheets = read_answers(write_csv(tmp_path / "answers.csv", lines), definition)
    async with hall.database.transaction() as db:
        await import_answers(db, hall.clock, definition, sheets)
    async with hall.database.snapshot() as db:
        rows = (await db.execute(select(survey_sheets.c.body).order_by(survey_sheets.c.id))).scalars().all()
    assert "example.jp" not in "".join(rows)
    assert [json.loads(row) for row in rows] != sheets


def test_cells_are_read_by_words_and_numbers_and_other_takes_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("used,why,feel,comment\n3,忙しい;難しい,5 良い,\n会議で使う,,3,はい\n\n", encoding="utf-8")
    assert read_answers(path, poll()) == [
        {"used": 3, "used.other": None, "why": [1, 2], "feel": 5, "comment": None},
        {"used": 4, "used.other": "会議で使う", "why": None, "feel": 3, "comment": "はい"},
    ]


def test_the_rows_of_a_matrix_are_found_as_form_services_name_them(tmp_path: Path) -> None:
    definition = parse_definition(
        'key = "k"\ntitle = "t"\n[[questions]]\nkey = "g"\nkind = "matrix"\ntext = "評価"\n'
        'rows = ["速さ", "見やすさ"]\noptions = ["良い", "悪い"]\n'
    )
    path = tmp_path / "a.csv"
    path.write_text("評価 [速さ],評価 [見やすさ]\n良い,悪い\n", encoding="utf-8")
    assert read_answers(path, definition) == [{"g.1": 1, "g.2": 2}]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "is empty"),
        (b"used,why,feel\n", "line 1 has no column for comment"),
        (b"used,why,feel,comment\n1,,9,\n", "line 2, column C, feel: '9' is no answer"),
        (b"used\x81", "Save the file in UTF-8 or Shift_JIS"),
        (("used,why,feel,comment\n" + "1,,9,\n" * 100).encode(), f"line {FAULTS_NAMED + 1}, column C, feel"),
    ],
)
def test_a_file_that_cannot_be_taken_says_where(tmp_path: Path, content: bytes, error: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ImportFault) as raised:
        read_answers(path, poll())
    assert error in str(raised.value)
    assert len(str(raised.value).splitlines()) <= FAULTS_NAMED


def test_a_file_that_is_missing_or_no_workbook_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImportFault, match="cannot be read"):
        read_answers(tmp_path / "none.csv", poll())
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(ImportFault, match="cannot be read as an Excel file"):
        read_answers(tmp_path / "a.xlsx", poll())


CASES = Path(__file__).parents[1] / "office_files" / "cases"
TOOLS = load_definition(CASES / "survey_tools.toml")


def tools(tmp_path: Path, cell: str, group: str = "") -> dict[str, object]:
    path = tmp_path / "a.csv"
    path.write_text(f'使う道具をすべて選んでください,残業の増減,希望する班\n"{cell}",,{group}\n', encoding="utf-8")
    (sheet,) = read_answers(path, TOOLS)
    return {key: value for key, value in sheet.items() if value is not None}


def test_the_files_of_other_services_give_what_was_ticked() -> None:
    (own,) = read_answers(CASES / "survey_tools_own_words.csv", TOOLS)
    assert (own["q1"], own["q1.other"]) == ([1, 2, 4], "庁内掲示板")
    (trailing,) = read_answers(CASES / "survey_tools_trailing.csv", TOOLS)
    assert (trailing["q1"], trailing["q1.other"]) == ([1, 2], None)
    two = load_definition(CASES / "survey_two.toml")
    assert len(read_answers(CASES / "survey_two_dimension_short.xlsx", two)) == 3
    with pytest.raises(ImportFault, match="途中で切れているか、壊れています"):
        read_answers(CASES / "survey_two_truncated.xlsx", two)
    percent = load_definition(CASES / "survey_percent.toml")
    for form in ("xlsx", "csv"):
        assert read_answers(CASES / f"survey_percent.{form}", percent) == [{"q1": 50.0, "q2": "0123"}]


@pytest.mark.parametrize(
    ("cell", "codes", "words"),
    [
        ("チャット、メール", [1, 2], None),
        ("チャット\nメール\n", [1, 2], None),
        ("メール, PC、タブレット", [2, 3], None),
        ("PC、タブレット;チャット;", [1, 3], None),
        ("庁内掲示板;チャット;", [1, 4], "庁内掲示板"),
        ("その他（庁内掲示板）", [4], "庁内掲示板"),
        ("チャット, 掲示板, 電話", [1, 4], "掲示板, 電話"),
        ("ﾁｬｯﾄ;ﾒｰﾙ;", [1, 2], None),
    ],
)
def test_ticked_boxes_are_read_however_they_are_joined(
    tmp_path: Path, cell: str, codes: list[int], words: str | None
) -> None:
    sheet = tools(tmp_path, cell)
    assert (sheet["q1"], sheet.get("q1.other")) == (codes, words)


def test_labels_that_are_figures_are_never_taken_for_places(tmp_path: Path) -> None:
    assert tools(tmp_path, "チャット", "3")["q3"] == [1]
    with pytest.raises(ImportFault, match="2行目・C列"):
        tools(tmp_path, "チャット", "4")
    definition = parse_definition(
        'key = "k"\ntitle = "t"\n[[questions]]\nkey = "q"\nkind = "choice"\ntext = "回数"\n'
        'options = ["0", "1", "2", "3以上"]\n'
    )
    path = tmp_path / "b.csv"
    path.write_text("回数\n3\n", encoding="utf-8")
    with pytest.raises(ImportFault, match="2行目・A列"):
        read_answers(path, definition)


def test_what_could_be_read_in_two_ways_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ImportFault, match="2行目・A列"):
        tools(tmp_path, "掲示板, メール")


def test_questions_of_the_same_text_are_told_apart_or_refused(tmp_path: Path) -> None:
    question = '[[questions]]\nkey = "q{}"\nkind = "choice"\ntext = "満足ですか"\noptions = ["はい", "いいえ"]\n'
    definition = parse_definition('key = "k"\ntitle = "t"\n' + question.format(1) + question.format(2))
    path = tmp_path / "a.csv"
    for header in ("満足ですか,満足ですか2", "満足ですか,満足ですか", "q1,q2"):
        path.write_text(f"{header}\nはい,いいえ\n", encoding="utf-8")
        assert read_answers(path, definition) == [{"q1": 1, "q2": 2}]
    for header in ("満足ですか", "満足ですか,満足ですか,満足ですか"):
        path.write_text(f"{header}\nはい,いいえ,はい\n", encoding="utf-8")
        with pytest.raises(ImportFault, match="見分けられません"):
            read_answers(path, definition)
