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
        (b"used,why,feel,comment\n1,,9,\n", "line 2, feel: '9' is no answer"),
        (b"used\x81", "neither UTF-8 nor CP932"),
        (("used,why,feel,comment\n" + "1,,9,\n" * 100).encode(), f"line {FAULTS_NAMED + 1}, feel"),
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
    (tmp_path / "a.xlsx").write_bytes(b"no zip")
    with pytest.raises(ImportFault, match="no XLSX workbook"):
        read_answers(tmp_path / "a.xlsx", poll())
