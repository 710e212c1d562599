"""Days as people name them, and the day of the week that they write beside a date."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from bot.dates.written import (
    BLANKS,
    COUNT,
    FIGURES,
    WEEKDAYS,
    UnreadableDate,
    Written,
    number,
    shown_part,
    year_of_era,
)
from bot.open_days import open_day

_MISTAKEN = timedelta(days=183)
"""A day without a year that is over for less than this was hardly meant to be in the next year."""
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_S, _N = BLANKS, FIGURES


@dataclass(frozen=True, slots=True)
class NamedDay:
    """A day that was named: itself, and the step to the next of its name where an hour today may be over."""

    day: date
    step: timedelta | None = None
    yearless: bool = False


_W = "[月火水木金土日]"
_ENGLISH = "mon|tue|wed|thu|fri|sat|sun"
_ERA = re.compile(
    rf"(令和|平成|昭和|大正|明治|[令平昭大明]|[rhstm](?={_S}[\d元])){_S}(元|{_N})"
    rf"(?:{_S}年{_S}({_N}){_S}月{_S}({_N}){_S}日|{_S}([-/.]){_S}({_N}){_S}\5{_S}({_N})(?!\d))"
)
_FULL = re.compile(
    rf"(?:西暦)?{_S}(?:(\d{{4}}|[〇一二三四五六七八九]{{4}}){_S}年{_S}({_N}){_S}月{_S}({_N}){_S}日"
    rf"|(\d{{4}}){_S}([-/.]){_S}(\d{{1,2}}){_S}\5{_S}(\d{{1,2}})(?!\d))"
)
_COMPACT = re.compile(r"((?:19|20)\d\d)([01]\d)([0-3]\d)(?!\d)")
_OF_YEAR = re.compile(
    rf"(?:(今年|本年|来年|再来年)の?{_S})?(?:({_N}){_S}月{_S}({_N}){_S}日|({_N})/({_N})(?![\d/])|(\d{{1,2}})-(\d{{1,2}})(?![-\d]))"
)
_WORDS: Final[Mapping[str, int]] = {
    "今日": 0, "本日": 0, "きょう": 0, "ほんじつ": 0, "today": 0, "当日": 0,
    "明日": 1, "あした": 1, "あす": 1, "みょうにち": 1, "翌日": 1, "tomorrow": 1,
    "明後日": 2, "あさって": 2, "翌々日": 2, "明々後日": 3, "明明後日": 3, "しあさって": 3,
    "昨日": -1, "きのう": -1, "yesterday": -1, "一昨日": -2, "おととい": -2,
}  # fmt: skip
_NAMED = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)))
PARTS_OF_DAYS: Final[Mapping[str, tuple[int, str]]] = {
    "今朝": (0, "朝"), "けさ": (0, "朝"), "今夜": (0, "夜"), "今晩": (0, "夜"), "今夕": (0, "夕"),
    "明朝": (1, "朝"), "明晩": (1, "夜"), "翌朝": (1, "朝"), "昨夜": (-1, "夜"), "昨晩": (-1, "夜"),
}  # fmt: skip
_PART_OF_DAY = re.compile("|".join(PARTS_OF_DAYS))
_LATER = re.compile(rf"({COUNT}){_S}(日|週間?|[かヶケカヵ箇]月|月(?=後)){_S}後")
_WEEKDAY = re.compile(
    rf"(今週|来週|らいしゅう|再来週|さらいしゅう|翌週|今度|こんど|次|つぎ|この)?の?{_S}({_W})曜日?"
    rf"|(next|this)?{_S}\b({_ENGLISH})(?:[a-z]*day)?(?![a-z])"
)
_OF_MONTH = re.compile(
    rf"(今月|来月|再来月|翌月)の?{_S}(?:({_N}){_S}日|(末日?|月末))|(月末|末日|今月末)|({_N}){_S}日(?!間|後|前|目|以)"
)
OPEN_DAY = re.compile("(?:翌|次の)(?:開庁|営業)日|next-open-day")
_BESIDE = re.compile(rf"{_S}(?:\(({_W}|{_ENGLISH})(?:曜日?|[a-z]*)?(?:[・,、]?祝日?)?\)|({_W})曜日?)")
"""The day of the week that somebody wrote beside a date."""


def read_day(written: Written, start: int, today: date | None) -> tuple[NamedDay | None, int]:
    """The day that begins at `start`, with the day of the week beside it checked, and where it ends."""
    start = max(start, written.start)
    for pattern, read in _DAYS:
        if (found := pattern.match(written.plain, start)) is None:
            continue
        part = written.part(start, found.end())
        try:
            day = read(found, today)
            if not 1868 <= day.day.year < 3000:
                raise ValueError("no calendar of ours")
        except _NeedsToday as wanting:
            raise UnreadableDate("dates.no_year", part=part) from wanting
        except (ValueError, OverflowError) as impossible:
            raise UnreadableDate("dates.no_such_day", part=part) from impossible
        beside = _BESIDE.match(written.plain, found.end())
        if beside is None:
            return day, found.end()
        if _weekday(beside[1] or beside[2]) != day.day.weekday():
            raise UnreadableDate(
                "dates.wrong_weekday",
                part=written.part(start, beside.end()),
                date=shown_part(day.day),
                weekday=WEEKDAYS[day.day.weekday()],
            )
        return day, beside.end()
    return None, start


class _NeedsToday(ValueError):
    """A day that can be told only by whoever knows what day it is."""


def _known(today: date | None) -> date:
    if today is None:
        raise _NeedsToday
    return today


def _of_era(found: re.Match[str], today: date | None) -> NamedDay:
    month, day = found[3] or found[6], found[4] or found[7]
    return NamedDay(date(*year_of_era(found[1], found[2], number(month), number(day))))


def _full(found: re.Match[str], today: date | None) -> NamedDay:
    year, month, day = (found[1], found[2], found[3]) if found[1] else (found[4], found[6], found[7])
    return NamedDay(date(number(year), number(month), number(day)))


def _of_year(found: re.Match[str], today: date | None) -> NamedDay:
    month, day = (number(part) for part in found.groups()[1:] if part is not None)
    now = _known(today)
    if found[1]:
        return NamedDay(date(now.year + {"来年": 1, "再来年": 2}.get(found[1], 0), month, day))
    days: list[date] = []
    for year in range(now.year - 8, now.year + 9):  # until there is a 29th of February
        try:
            days.append(date(year, month, day))
        except ValueError:
            continue
    ahead, behind = [each for each in days if each >= now], [each for each in days if each < now]
    if not ahead:
        raise ValueError("no such day")
    leap = (month, day) == (2, 29)
    mistaken = bool(behind) and now - behind[-1] < _MISTAKEN and not leap and ahead[0] > now
    return NamedDay(behind[-1] if mistaken else ahead[0], yearless=mistaken)


def _named_day(found: re.Match[str], today: date | None) -> NamedDay:
    return NamedDay(_known(today) + timedelta(days=_WORDS[found[0]]))


def _part_of_day(found: re.Match[str], today: date | None) -> NamedDay:
    return NamedDay(_known(today) + timedelta(days=PARTS_OF_DAYS[found[0]][0]))


def _later(found: re.Match[str], today: date | None) -> NamedDay:
    count, now = number(found[1]), _known(today)
    if found[2] == "日":
        return NamedDay(now + timedelta(days=count))
    if found[2].startswith("週"):
        return NamedDay(now + count * _WEEK)
    year, month = _months_later(now, count)
    return NamedDay(date(year, month, min(now.day, calendar.monthrange(year, month)[1])))


def _weekday_named(found: re.Match[str], today: date | None) -> NamedDay:
    now, weekday = _known(today), _weekday(found[2] or found[4])
    monday, ahead = now - timedelta(days=now.weekday()), timedelta(days=(weekday - now.weekday()) % 7)
    match found[1] or found[3]:
        case "今週" | "この":
            return NamedDay(monday + timedelta(days=weekday))
        case "来週" | "らいしゅう" | "翌週":
            return NamedDay(monday + _WEEK + timedelta(days=weekday))
        case "再来週" | "さらいしゅう":
            return NamedDay(monday + 2 * _WEEK + timedelta(days=weekday))
        case "今度" | "こんど" | "次" | "つぎ" | "next":
            return NamedDay(now + (ahead or _WEEK))
    return NamedDay(now + ahead, step=_WEEK)


def _of_month(found: re.Match[str], today: date | None) -> NamedDay:
    now = _known(today)
    later = {"来月": 1, "翌月": 1, "再来月": 2}.get(found[1] or "", 0)
    year, month = _months_later(now, later)
    last = calendar.monthrange(year, month)[1]
    if found[3] or found[4]:
        return NamedDay(date(year, month, last))
    if found[2]:
        return NamedDay(date(year, month, number(found[2])))
    day = number(found[5])
    for months in range(12):
        year, month = _months_later(now, months)
        if day <= calendar.monthrange(year, month)[1] and date(year, month, day) >= now:
            return NamedDay(date(year, month, day))
    raise ValueError("no such day")


def _next_open(found: re.Match[str], today: date | None) -> NamedDay:
    return NamedDay(open_day(_known(today) + _DAY))


def _months_later(day: date, months: int) -> tuple[int, int]:
    whole = day.year * 12 + day.month - 1 + months
    return whole // 12, whole % 12 + 1


def _weekday(word: str) -> int:
    return WEEKDAYS.index(word) if word in WEEKDAYS else _ENGLISH.split("|").index(word)


_DAYS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date | None], NamedDay]], ...]] = (
    (_ERA, _of_era),
    (_FULL, _full),
    (_COMPACT, lambda found, today: NamedDay(date(int(found[1]), int(found[2]), int(found[3])))),
    (_OF_YEAR, _of_year),
    (_LATER, _later),
    (_NAMED, _named_day),
    (_PART_OF_DAY, _part_of_day),
    (_WEEKDAY, _weekday_named),
    (_OF_MONTH, _of_month),
    (OPEN_DAY, _next_open),
)
