"""Dates and times as people write them, read on Tuesday, 1 December 2026, at ten past noon."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import TOKYO
from bot.dates import UnreadableDate, read_date, read_moment, read_prefix, read_time
from bot.texts import Texts

NOW = datetime(2026, 12, 1, 12, 10, 30, tzinfo=TOKYO)
TODAY = NOW.date()
TEXTS = Texts("bot")


def moment(day: int, hour: int, minute: int = 0, *, month: int = 12, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("明日9時", moment(2, 9)),
        ("明日の９時", moment(2, 9)),
        ("あした 9:00", moment(2, 9)),
        ("tomorrow 9:00", moment(2, 9)),
        ("明後日 午前9時", moment(3, 9)),
        ("あさって 9時半", moment(3, 9, 30)),
        ("今日の午後3時半", moment(1, 15, 30)),
        ("本日 13時", moment(1, 13)),
        ("13:05", moment(1, 13, 5)),
        ("午後1時", moment(1, 13)),
        ("昼1時", moment(1, 13)),
        ("明日の正午", moment(2, 12)),
        ("明日 夕方5時", moment(2, 17)),
        ("今夜8時", moment(1, 20)),
        ("明朝7時半", moment(2, 7, 30)),
        ("3pm", moment(1, 15)),
        ("30分後", moment(1, 12, 41)),
        ("２時間後", moment(1, 14, 11)),
        ("1時間30分後", moment(1, 13, 41)),
        ("二時間半後", moment(1, 14, 41)),
        ("3日後 9時", moment(4, 9)),
        ("2週間後の9時", moment(15, 9)),
        ("1か月後 9時", moment(1, 9, month=1, year=2027)),
        ("月曜 9時", moment(7, 9)),
        ("火曜日 13時", moment(1, 13)),
        ("火曜日 9時", moment(8, 9)),
        ("今度の金曜 17:15", moment(4, 17, 15)),
        ("次の火曜 13時", moment(8, 13)),
        ("来週月曜9時", moment(7, 9)),
        ("来週の日曜日 9時", moment(13, 9)),
        ("再来週の水曜 9時", moment(16, 9)),
        ("15日 9時", moment(15, 9)),
        ("来月1日 9時", moment(1, 9, month=1, year=2027)),
        ("月末 17時", moment(31, 17)),
        ("12月2日（水）9時", moment(2, 9)),
        ("12月2日(水曜日) 午後3時", moment(2, 15)),
        ("１２月２日　９時３０分", moment(2, 9, 30)),
        ("十二月二日 九時", moment(2, 9)),
        ("12/2 9:00", moment(2, 9)),
        ("1月5日 9時", moment(5, 9, month=1, year=2027)),
        ("来年4月1日 9時", moment(1, 9, month=4, year=2027)),
        ("2月29日 9時", moment(29, 9, month=2, year=2028)),
        ("2026-12-02 09:00", moment(2, 9)),
        ("2026-12-02T09:00", moment(2, 9)),
        ("2026-12-02T00:00:00Z", moment(2, 9)),
        ("2026−12−02 9：00", moment(2, 9)),
        ("2026/12/2（水） 9時", moment(2, 9)),
        ("20261202 0830", moment(2, 8, 30)),
        ("2026-12-02 0830", moment(2, 8, 30)),
        ("令和8年12月2日 9時", moment(2, 9)),
        ("令和八年十二月二日九時半", moment(2, 9, 30)),
        ("R8.12.2 9:00", moment(2, 9)),
        ("Ｒ８／１２／２ ９時", moment(2, 9)),
        ("翌開庁日 9時", moment(2, 9)),
        ("翌開庁日の午前9時", moment(2, 9)),
        ("12月5日 9時 翌開庁日", moment(7, 9)),
        ("明日24時", moment(3, 0)),
        ("今夜25時", moment(2, 1)),
    ],
)
def test_a_moment_is_read_as_people_write_it(words: str, expected: datetime) -> None:
    assert read_moment(words, NOW) == expected
    found = read_prefix(f"{words} 9人で点検します", NOW)
    assert (found.said, found.rest) == (words, "9人で点検します")


@pytest.mark.parametrize(
    ("text", "said", "rest"),
    [
        ("明日9時に　避難訓練です", "明日9時", "避難訓練です"),
        ("明日9時、停電します", "明日9時", "停電します"),
        ("12月2日 9時\n\n緊急 本文", "12月2日 9時", "緊急 本文"),
        ("  30分後 ㈱ｱﾄﾑより", "30分後", "㈱ｱﾄﾑより"),
        ("㋋2日 9時 ①から", "㋋2日 9時", "①から"),
        ("明日9時", "明日9時", ""),
    ],
)
def test_what_follows_a_moment_stays_as_it_was_typed(text: str, said: str, rest: str) -> None:
    found = read_prefix(text, NOW)
    assert (found.said, found.rest) == (said, rest)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("12月2日（木）9時", "「12月2日（木）」は日付と曜日が合いません。2026-12-02（水） は水曜日です。"),
        ("2月30日 9時", "「2月30日」という日はありません。"),
        ("令和8年13月1日 9時", "「令和8年13月1日」という日はありません。"),
        ("令和元年4月30日 9時", "「令和元年4月30日」という日はありません。"),
        ("明日 9時60分", "「9時60分」という時刻はありません。"),
        ("明日 30時", "「30時」という時刻はありません。"),
        ("夜1時", "「夜1時」は午前か午後かが分かりません"),
        ("明日 午後12時", "「午後12時」は午前か午後かが分かりません"),
        ("明日", "「明日」の何時かを書いてください"),
        ("3日後", "「3日後」の何時かを書いてください"),
        ("明日 くじ", "「明日」の何時かが分かりません。「くじ」を時刻として"),
        ("みょうごにち 9時", "「みょうごにち」を日時として読み取れませんでした"),
        ("12月2日9時から停電", "「12月2日9時」のあとの「から停電」を"),
        ("12/2 9:00-12:00 停電", "「12/2 9:00」のあとの「-12:00」を"),
        ("昨日9時", "「昨日9時」（2026-11-30（月） 09:00）は過ぎています。"),
        ("2025-12-02 9時", "「2025-12-02 9時」（2025-12-02（火） 09:00）は過ぎています。"),
        ("11月30日 9時", "は過ぎています。来年のことなら、年も書いてください。"),
        ("今週の月曜 9時", "は過ぎています。"),
        ("今日3時", "「今日3時」（2026-12-01（火） 03:00）は過ぎています。午後なら「午後」を"),
        ("9時", "「9時」（2026-12-01（火） 09:00）は過ぎています。"),
        ("", "「」を日時として"),
    ],
)
def test_an_error_names_the_part_that_was_not_understood(words: str, sentence: str) -> None:
    for read in (read_moment, read_prefix):
        with pytest.raises(UnreadableDate) as unreadable:
            read(words, NOW)
        assert sentence in TEXTS(unreadable.value.key, **unreadable.value.values)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("令和元年5月1日", date(2019, 5, 1)),
        ("令和5年7月1日", date(2023, 7, 1)),
        ("令和 ５ 年　７月　１日", date(2023, 7, 1)),
        ("R5.7.1", date(2023, 7, 1)),
        ("H31.4.30", date(2019, 4, 30)),
        ("平成元年1月8日", date(1989, 1, 8)),
        ("平成32年1月1日", date(2020, 1, 1)),
        ("S64.1.7", date(1989, 1, 7)),
        ("昭和39年10月10日（土）", date(1964, 10, 10)),
        ("2023.7.1", date(2023, 7, 1)),
        ("20230701", date(2023, 7, 1)),
    ],
)
def test_a_date_with_its_year_needs_no_calendar_on_the_wall(words: str, expected: date) -> None:
    assert read_date(words) == read_date(words, TODAY) == expected


@pytest.mark.parametrize(
    "words",
    [
        "26/12/2",
        "12.2",
        "2026-12/02",
        "2026-12-02x",
        "2026-12",
        "令和8年",
        "2026年12月2日（木）",
        "9時",
        "",
        "未定",
        "H0.1.1",
    ],
)
def test_what_is_no_date_is_not_guessed(words: str) -> None:
    with pytest.raises(UnreadableDate):
        read_date(words, TODAY)


def test_a_date_without_its_year_needs_one_who_knows_what_day_it_is() -> None:
    for words, expected in (("12月2日", 2), ("12/2", 2), ("明日", 2), ("金曜", 4), ("月末", 31), ("翌開庁日", 2)):
        assert read_date(words, TODAY) == date(2026, 12, expected)
        with pytest.raises(UnreadableDate, match=r"dates\.no_year"):
            read_date(words)


def test_a_day_that_is_over_is_refused_only_where_it_must_lie_ahead() -> None:
    assert read_date("2023-07-01", TODAY) == date(2023, 7, 1)
    with pytest.raises(UnreadableDate, match=r"dates\.past"):
        read_date("2023-07-01", TODAY, past=False)
    assert read_moment("明日", NOW, at=time(8, 30)) == moment(2, 8, 30)
    assert read_moment("昨日 9時", NOW, past=True) == moment(30, 9, month=11)


def test_a_weekly_hour_is_an_hour_of_the_day() -> None:
    assert read_time("9時半 本文") == (time(9, 30), "本文")
    for words in ("25時 本文", "30分後", "本文"):
        with pytest.raises(UnreadableDate):
            read_time(words)


@given(st.datetimes(NOW.replace(tzinfo=None) + timedelta(minutes=1), NOW.replace(year=2099, tzinfo=None)))
def test_every_moment_to_come_is_read_back_from_each_of_its_usual_spellings(when: datetime) -> None:
    when = when.replace(second=0, microsecond=0, tzinfo=TOKYO)
    weekday = "月火水木金土日"[when.weekday()]
    day, clock = f"{when.month}月{when.day}日", f"{when.hour}時{when.minute}分"
    half = f"午前{when.hour}時" if when.hour < 12 else f"午後{when.hour - 12}時"
    for words in (
        f"{when:%Y-%m-%d %H:%M}",
        f"{when:%Y-%m-%dT%H:%M}",
        f"{when.year}年{day}（{weekday}）{clock}",
        f"令和{when.year - 2018}年{day} {clock}",
        f"{when.year}/{when.month}/{when.day} {half}{when.minute}分",
    ):
        if when.hour % 12 or "午" not in words:
            assert read_prefix(f"{words} 本文", NOW).moment == when, words


@given(
    st.text(
        st.sampled_from("0123456789０９十二年月日時分半後前午後明今来週火（）()/:-. 　に\n翌開庁R令和s"), max_size=30
    )
)
def test_whatever_is_typed_is_a_moment_ahead_or_an_error_with_a_sentence(words: str) -> None:
    try:
        found = read_prefix(words, NOW)
    except UnreadableDate as unreadable:
        said = TEXTS(unreadable.key, **unreadable.values)
    else:
        assert found.moment >= NOW
        said = found.said
    assert said
