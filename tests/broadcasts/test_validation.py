"""What a text is stopped for, what is asked about, and what is let through."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcasts.validation import check, errors, is_card_number, is_my_number, warnings


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{場所}に集合", "check.variable"),
        ("第${stage}配備", "check.variable"),
        ("パスワードは Tokyo2023! です", "check.password"),
        ("password: hunter22", "check.password"),
        ("taro@example.jp / Himitsu#1", "check.password"),
    ],
)
def test_what_nobody_can_want_is_an_error(text: str, key: str) -> None:
    assert [finding.key for finding in errors(text)] == [key]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("〇〇時に集合", "check.blank"),
        ("○日の会議", "check.blank"),
        ("XX月に行います", "check.blank"),
        ("連絡先 090-1234-5678", "check.phone"),
        ("電話は 03(1234)5678", "check.phone"),
        ("@a @b @c @d @e @f", "check.mentions"),
        ("番号は１２３４５６７８９０１８です", "check.my_number"),
        ("1234-5678-9018", "check.my_number"),
        ("カード 4111 1111 1111 1111", "check.card_number"),
        ("3782-822463-10005", "check.card_number"),
    ],
)
def test_what_is_usually_a_slip_is_a_warning(text: str, key: str) -> None:
    assert [finding.key for finding in warnings(text)] == [key]
    assert errors(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "18時に本庁舎3階へ参集してください。",
        "大雨警報（土砂災害）が出ました。令和5年10月2日 2023-10-02",
        "パスワードの変更をお願いします。",
        "予算は 123456789012 円です。",
        "お問い合わせは jinji@example.lg.jp まで",
        "○ 持ち物\n○ 雨具",
        *Path(__file__).with_name("cases").joinpath("notice_date_range.txt").read_text(encoding="utf-8").splitlines(),
        "202612010830 から 202612011740 まで",
        "20261201 0830-1740、20261202 0830-1740",
        "受付 2026-12-01 08:30〜2026-12-03 17:15",
        "〒315-8640 石岡市石岡一丁目1番地1",
        "水道料金 123456789018 円、4111111111111111 件",
        "整理番号 2026-0001-0018 から 2026-1234-5678 まで",
    ],
)
def test_ordinary_texts_pass(text: str) -> None:
    assert check(text) == []


def test_a_secret_is_never_repeated() -> None:
    assert all(finding.found == "" for finding in errors("パスワードは Tokyo2023! 4111111111111111 123456789018"))


@given(st.lists(st.integers(0, 9), min_size=11, max_size=11))
def test_eleven_digits_have_exactly_one_check_digit(digits: list[int]) -> None:
    payload = "".join(map(str, digits))
    assert sum(is_my_number(payload + str(last)) for last in range(10)) == 1


@given(st.from_regex(r"[3-6][0-9]{14}", fullmatch=True), st.integers(0, 14), st.integers(1, 9))
def test_one_wrong_digit_is_no_card_number(payload: str, place: int, shift: int) -> None:
    (number,) = [payload + str(last) for last in range(10) if is_card_number(payload + str(last))]
    wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
    assert not is_card_number(wrong)


@given(st.text())
def test_any_text_can_be_checked(text: str) -> None:
    assert all(finding.key.startswith("check.") for finding in check(text))


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(0, 60), st.times(), st.times())
def test_no_span_of_days_or_hours_is_taken_for_a_number_of_somebody(
    day: date, days: int, begins: time, ends: time
) -> None:
    until = day + timedelta(days=days)
    for words in (
        f"{day:%Y%m%d}-{until:%Y%m%d}",
        f"{day:%Y-%m-%d} {until:%Y-%m-%d}",
        f"{day:%Y-%m-%d} {begins:%H%M}",
        f"{day:%Y%m%d}{begins:%H%M}",
        f"{day:%Y%m%d}{begins:%H%M%S}",
        f"{day:%Y%m%d} {begins:%H%M} {ends:%H%M}",
        f"{begins:%H%M}-{ends:%H%M} {day:%Y/%m/%d}",
    ):
        found = {finding.key for finding in check(f"点検は {words} です")}
        assert not found & {"check.my_number", "check.card_number"}, words
