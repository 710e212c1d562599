"""What the program exports, it imports back equal: every kind of question, labels that hold anything."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.texts import Texts
from surveys.answering import printable
from surveys.definition import OTHER, Answer, Definition, Multiple, Scale, Step, WithOptions
from surveys.exports.sheets import header, line
from surveys.importing import ImportFault, read_answers
from surveys.loading import parse_definition

LABELS = st.one_of(
    st.sampled_from(
        ["0", "1", "2", "3以上", "10代", "PC、タブレット", "紙, 電話", "a;b", "はい；いいえ",
         "=SUM(A1)", "＝合計", "'=x",
         "-", "@家", "50%", "0123", "令和5年", "TRUE", "その他", "", "ﾒｰﾙ", "メール", "Ｍａｉｌ",
         "一\n二", '"引用"', "a,b,c"]
    ).filter(bool),
    st.text(alphabet="はいエa1２;；,，、 \n'\"=＝-+@・/()", min_size=1, max_size=8).filter(str.strip),
)  # fmt: skip
WORDS = st.text(alphabet="会議室ab1;,、 \n'=＝-+@\"", min_size=1, max_size=12)
TEXTS = st.sampled_from(["満足ですか", "満足ですか", "回数", "=理由", "道具, 場所", "一行目\n二行目", "満足ですか2"])


@st.composite
def questions(draw: st.DrawFn, number: int) -> dict[str, object]:
    kind = draw(st.sampled_from(["choice", "multiple", "matrix", "scale", "number", "date", "text"]))
    question: dict[str, object] = {"key": f"k{number}", "kind": kind, "text": draw(TEXTS)}
    if kind in {"choice", "multiple", "matrix"}:
        labels = draw(st.lists(LABELS, min_size=2, max_size=5, unique=True))
        options: list[dict[str, object]] = [{"label": label} for label in labels]
        if kind != "matrix":
            options[-1]["other"] = draw(st.booleans())
        question["options"] = options
    if kind == "matrix":
        question["rows"] = draw(
            st.lists(st.sampled_from(["速さ", "見やすさ", "1", "a, b"]), min_size=1, max_size=3, unique=True)
        )
    if kind == "scale":
        question |= {"low": draw(st.integers(0, 1)), "high": 5, "low_label": draw(st.sampled_from(["", "悪い"]))}
    if kind == "number":
        question |= {"decimals": draw(st.booleans()), "unit": draw(st.sampled_from(["", "時間", "%"]))}
    return question


@st.composite
def answers(draw: st.DrawFn, step: Step) -> dict[str, Answer]:
    question = step.question
    entries: dict[str, Answer] = {}
    if isinstance(question, WithOptions):
        count = len(question.options)
        codes: Answer
        if isinstance(question, Multiple):
            codes = sorted(draw(st.sets(st.integers(1, count), min_size=1)))
        else:
            codes = draw(st.integers(1, count))
        entries[step.key] = codes
        if any(option.other for option in question.options):
            chosen = codes if isinstance(codes, list) else [codes]
            words = draw(st.one_of(st.none(), WORDS)) if count in chosen else None
            entries[step.key + OTHER] = printable(words or "") or None
    elif isinstance(question, Scale):
        entries[step.key] = draw(st.integers(question.low, question.high))
    elif question.kind == "number":
        whole = draw(st.integers(-99_999, 99_999))
        entries[step.key] = whole / 4 if question.decimals else whole
    elif question.kind == "date":
        entries[step.key] = draw(st.sampled_from(["2023-07-01", "2019-04-30"]))
    else:
        entries[step.key] = draw(WORDS.map(printable).filter(bool))
    if draw(st.integers(0, 5)) == 0:
        return dict.fromkeys(entries)
    return entries


@st.composite
def filled(draw: st.DrawFn) -> tuple[Definition, list[dict[str, Answer]]]:
    asked = [draw(questions(number)) for number in range(draw(st.integers(1, 4)))]
    if draw(st.booleans()):
        asked += [{**each, "key": f"{each['key']}x"} for each in asked[:1]]
    definition = Definition.model_validate({"key": "k", "title": "t", "anonymity": "named", "questions": asked})
    sheets = []
    for _ in range(draw(st.integers(1, 3))):
        sheet: dict[str, Answer] = {}
        for step in definition.steps:
            sheet |= draw(answers(step))
        sheets.append(sheet)
    return definition, [sheet for sheet in sheets if any(value is not None for value in sheet.values())]


def as_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(rows)
    return path


def as_xlsx(path: Path, rows: list[list[str]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)
    return path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(filled())
def test_every_export_comes_back_equal(made: tuple[Definition, list[dict[str, Answer]]]) -> None:
    definition, sheets = made
    rows = [header(definition, Texts("surveys")), *(line(definition, sheet) for sheet in sheets)]
    with tempfile.TemporaryDirectory() as folder:
        for path in (as_csv(Path(folder) / "a.csv", rows), as_xlsx(Path(folder) / "a.xlsx", rows)):
            back = read_answers(path, definition)
            assert [_given(sheet) for sheet in back] == [_given(sheet) for sheet in sheets]


def _given(sheet: dict[str, Answer]) -> dict[str, Answer]:
    return {key: value for key, value in sheet.items() if value is not None}


TWO_MATRICES = parse_definition(
    'key = "k"\ntitle = "t"\n'
    + "".join(
        f'[[questions]]\nkey = "{key}"\nkind = "matrix"\ntext = "{text}"\nrows = ["速さ", "見やすさ"]\n'
        'options = ["良い", "悪い"]\n'
        for key, text in (("a", "旧システム"), ("b", "新システム"))
    )
)


def matrices(path: Path, header: str) -> list[dict[str, Answer]]:
    path.write_text(f"{header}\n良い,悪い,悪い,良い\n", encoding="utf-8")
    return read_answers(path, TWO_MATRICES)


def test_two_matrices_with_the_same_rows_are_told_apart_or_refused(tmp_path: Path) -> None:
    expected = {"a.1": 1, "a.2": 2, "b.1": 2, "b.2": 1}
    for titles in (
        "旧システム [速さ],旧システム [見やすさ],新システム [速さ],新システム [見やすさ]",
        "旧システム.速さ,旧システム.見やすさ,新システム.速さ,新システム.見やすさ",
        "速さ,見やすさ,速さ2,見やすさ2",  # Microsoft Forms
        "速さ,見やすさ,速さ,見やすさ",
        "a.1,a.2,b.1,b.2",
    ):
        assert matrices(tmp_path / "a.csv", titles) == [expected]
    for titles in (
        "速さ,見やすさ,別,他",
        "速さ,見やすさ,速さ2,速さ3",
        "旧システム [速さ],旧システム [見やすさ],速さ,見やすさ",
    ):
        with pytest.raises(ImportFault):
            matrices(tmp_path / "a.csv", titles)


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("令和5年7月1日", "2023-07-01"),
        ("令和５年７月１日", "2023-07-01"),
        ("令和元年5月1日", "2019-05-01"),
        ("R5.7.1", "2023-07-01"),
        ("r5/7/1", "2023-07-01"),
        ("H31.4.30", "2019-04-30"),
        ("平成31年4月30日(火)", "2019-04-30"),
        ("S64.1.7", "1989-01-07"),
        ("㋿5年7月1日", "2023-07-01"),
        ("2023/7/1", "2023-07-01"),
        ("20230701", "2023-07-01"),
    ],
)
def test_dates_of_the_japanese_eras_come_in(tmp_path: Path, cell: str, day: str) -> None:
    definition = parse_definition(
        'key = "k"\ntitle = "t"\n[[questions]]\nkey = "d"\nkind = "date"\ntext = "日"\n'
        '[[questions]]\nkey = "n"\nkind = "number"\ntext = "差"\n'
    )
    path = as_csv(tmp_path / "a.csv", [["日", "差"], [cell, "−3"]])
    assert read_answers(path, definition) == [{"d": day, "n": -3}]


@pytest.mark.parametrize("cell", ["H31.5.32", "R0.7.1", "M5.7.1x", "令和5年13月1日", "7月1日", "明日"])
def test_a_day_that_is_none_is_refused_with_its_place(tmp_path: Path, cell: str) -> None:
    definition = parse_definition('key = "k"\ntitle = "t"\n[[questions]]\nkey = "d"\nkind = "date"\ntext = "日"\n')
    with pytest.raises(ImportFault, match="2行目・A列"):
        read_answers(as_csv(tmp_path / "a.csv", [["日"], [cell]]), definition)
