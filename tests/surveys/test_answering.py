"""What people type, read as answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Refused
from bot.texts import Texts
from surveys import answering
from surveys.definition import Answer, Definition, Step, WithOptions
from surveys.loading import parse_definition
from surveys.vault import capacity, plain

DEFINITION = parse_definition("""
key = "k"
title = "t"
[[questions]]
key = "choice"
kind = "choice"
text = "x"
options = ["はい", "いいえ", { label = "その他", other = true }]
[[questions]]
key = "multiple"
kind = "multiple"
text = "x"
at_least = 2
at_most = 3
options = ["a", "b", "c", "d", { label = "なし", exclusive = true }, { label = "その他", other = true }]
[[questions]]
key = "scale"
kind = "scale"
text = "x"
low = 0
high = 10
[[questions]]
key = "whole"
kind = "number"
text = "x"
minimum = 1
maximum = 24
unit = "時間"
[[questions]]
key = "decimal"
kind = "number"
text = "x"
decimals = true
[[questions]]
key = "date"
kind = "date"
text = "x"
earliest = 2023-07-01
latest = 2023-12-31
[[questions]]
key = "text"
kind = "text"
text = "x"
max_length = 10
""")


def read(key: str, text: str, order: list[int] | None = None) -> Answer:
    step = DEFINITION.by_key[key]
    return answering.read(step, text, order or list(range(1, 7)))[key]


@pytest.mark.parametrize(
    ("key", "text", "answer"),
    [
        ("choice", "1", 1),
        ("choice", "２", 2),
        ("choice", "①", 1),
        ("choice", "1.", 1),
        ("choice", "2番", 2),
        ("choice", "1 はい", 1),
        ("choice", " はい ", 1),
        ("choice", "3 会議", 3),
        ("choice", "その他（会議）", 3),
        ("multiple", "1 3", [1, 3]),
        ("multiple", "３、１", [1, 3]),
        ("multiple", "1と2と3", [1, 2, 3]),
        ("multiple", "1,1,2", [1, 2]),
        ("multiple", "a、b", [1, 2]),
        ("multiple", "5", [5]),
        ("multiple", "なし", [5]),
        ("multiple", "1 6 会議", [1, 6]),
        ("multiple", "1 2 会議", [1, 2, 6]),
        ("multiple", "a / Ｂ", [1, 2]),
        ("multiple", "a;b;", [1, 2]),
        ("multiple", "a\nb\n", [1, 2]),
        ("multiple", "a と c", [1, 3]),
        ("multiple", "1番と3番", [1, 3]),
        ("multiple", "b、会議", [2, 6]),
        ("choice", "会議で決めた", 3),
        ("choice", "ハイ\u200b", 3),
        ("choice", "は い", 1),
        ("scale", "0", 0),
        ("scale", "10", 10),
        ("whole", "８時間", 8),
        ("whole", "08", 8),
        ("decimal", "1.5", 1.5),
        ("decimal", "1,234", 1234.0),
        ("decimal", "-3", -3.0),
        ("date", "2023-07-01", "2023-07-01"),
        ("date", "2023年12月31日", "2023-12-31"),
        ("text", "  意見\x00です ", "意見です"),
        ("text", "二行\r\nです", "二行\nです"),
    ],
)
def test_an_answer_is_read_as_people_write_it(key: str, text: str, answer: Answer) -> None:
    assert read(key, text) == answer


@pytest.mark.parametrize(
    ("key", "text", "refusal"),
    [
        ("choice", "4000", "choice"),
        ("choice", "0", "choice"),
        ("choice", "1 いいえ", "choice"),
        ("choice", "", "choice"),
        ("choice", "了解しました", "choice"),
        ("choice", "これは何ですか？", "choice"),
        ("multiple", "ありがとうございます", "multiple"),
        ("multiple", "1", "at_least"),
        ("multiple", "1 2 3 4", "at_most"),
        ("multiple", "1 5", "exclusive"),
        ("multiple", "1 99", "multiple"),
        ("multiple", "全部", "at_least"),
        ("multiple", "…", "multiple"),
        ("scale", "11", "scale"),
        ("scale", "3 です", "scale"),
        ("whole", "0", "minimum"),
        ("whole", "25", "maximum"),
        ("whole", "1.5", "number"),
        ("whole", "八", "number"),
        ("decimal", "x", "decimal"),
        ("decimal", "1e400", "decimal"),
        ("date", "2023-02-30", "date"),
        ("date", "明日", "date"),
        ("date", "2023-06-30", "earliest"),
        ("date", "2024-01-01", "latest"),
        ("text", " \n ", "text"),
        ("text", "あ" * 11, "too_long"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_sentence_that_helps(key: str, text: str, refusal: str) -> None:
    with pytest.raises(Refused) as raised:
        read(key, text)
    assert raised.value.key == f"survey.answer.{refusal}"
    sentence = Texts("surveys")(raised.value.key, **raised.value.values)
    assert not text.strip() or len(text) < 3 or text not in sentence


def test_a_number_means_the_option_in_that_place_on_the_screen() -> None:
    assert read("choice", "1", [2, 1, 3]) == 2
    assert read("multiple", "1 2", [4, 2, 1, 3, 5, 6]) == [2, 4]


FIGURES = parse_definition("""
key = "k"
title = "t"
[[questions]]
key = "times"
kind = "choice"
text = "x"
options = ["0", "1", "2", "3以上"]
[[questions]]
key = "weekly"
kind = "multiple"
text = "x"
options = ["使わない", "週一回", "週2回", "週3回以上", { label = "その他", other = true }]
[[questions]]
key = "age"
kind = "choice"
text = "x"
options = ["20代", "30代", "40代", "50代", "60代以上"]
[[questions]]
key = "days"
kind = "choice"
text = "x"
options = ["1日", "2日", "3日以上", "わからない"]
[[questions]]
key = "years"
kind = "choice"
text = "x"
options = ["5年未満", "5年以上10年未満", "10年以上"]
[[questions]]
key = "way"
kind = "multiple"
text = "x"
options = ["紙", "電話", "紙と電話", "紙、FAX"]
""")


@pytest.mark.parametrize(
    ("key", "text", "answer"),
    [
        ("times", "1", 2),
        ("times", "２", 3),
        ("times", "3以上", 4),
        ("times", "3番", 3),
        ("weekly", "2番、週3回以上", [2, 4]),
        ("weekly", "1番 電話で", [1, 5]),
        ("age", "2", 2),
        ("days", "3", 3),
        ("days", "4番目", 4),
        ("way", "紙、FAX", [4]),
    ],
)
def test_a_figure_that_stands_in_a_label_means_the_label(key: str, text: str, answer: Answer) -> None:
    step = FIGURES.by_key[key]
    assert answering.read(step, text, list(range(1, 7)))[key] == answer


@pytest.mark.parametrize(
    ("key", "text"),
    [("times", "3"), ("times", "4"), ("weekly", "3"), ("weekly", "2"), ("days", "4"), ("years", "3"), ("years", "2"),
     ("way", "紙と電話")],
)  # fmt: skip
def test_what_could_be_a_place_or_a_figure_is_asked_about(key: str, text: str) -> None:
    question = FIGURES.by_key[key].question
    assert isinstance(question, WithOptions)
    with pytest.raises(Refused, match="ambiguous"):
        answering.read(FIGURES.by_key[key], text, list(range(1, len(question.options) + 1)))


def test_words_after_other_are_kept_and_an_earlier_ones_remains_are_cleared() -> None:
    step = DEFINITION.by_key["choice"]
    assert answering.read(step, "3 会議", [1, 2, 3]) == {"choice": 3, "choice.other": "会議"}
    assert answering.read(step, "1", [1, 2, 3]) == {"choice": 1, "choice.other": None}
    assert answering.read(step, "3", [1, 2, 3]) == {"choice": 3, "choice.other": None}


@given(st.sampled_from(DEFINITION.steps), st.text(max_size=300))
def test_any_text_is_either_an_answer_that_fits_or_refused(step: Step, text: str) -> None:
    refused: list[Refused] = []
    entries: dict[str, Answer] = {}
    try:
        entries = answering.read(step, text, list(range(1, 7))[: 3 if step.key == "choice" else 6])
    except Refused as refusal:
        refused.append(refusal)
    assert all(Texts("surveys")(refusal.key, **refusal.values) for refusal in refused)
    assert refused or step.key in entries
    assert len(plain(entries)) <= capacity(DEFINITION)


@given(st.text(min_size=1, max_size=10))
def test_the_longest_texts_fit_into_a_sealed_sheet(text: str) -> None:
    definition = Definition.model_validate(DEFINITION.model_dump())
    words = answering.printable(text * 10)[:10]
    sheet: dict[str, Answer] = {step.key: None for step in definition.steps}
    sheet |= {"multiple": [1, 2, 3, 4, 5, 6], "decimal": -123456789012.123456, "date": "2023-07-01", "text": words}
    for key in ("choice.other", "multiple.other"):
        sheet[key] = (words * 40)[: answering.OTHER_LENGTH]
    assert len(plain(sheet)) <= capacity(definition)
