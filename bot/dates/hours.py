"""Times as people name them: of a day, or from now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone

from bot.dates.days import PARTS_OF_DAYS
from bot.dates.written import BLANKS, COUNT, FIGURES, UnreadableDate, Written, number

_S, _N = BLANKS, FIGURES


@dataclass(frozen=True, slots=True)
class NamedHour:
    """A time that was named: from the midnight with which its day begins, or from now; `zone` if it has its own."""

    since_midnight: timedelta | None = None
    since_now: timedelta | None = None
    zone: timezone | None = None
    half: bool = False
    """Whether neither 午前 nor 午後 nor a figure above twelve says which half of the day is meant."""


_HALF = "午前|午後|お昼|am|pm|a\\.m\\.|p\\.m\\.|早朝|朝|昼|夕方|夕|夜中|夜|晩|深夜|未明"
_CLOCK = re.compile(
    rf"(?:({_HALF})の?{_S})?(?:({_N}){_S}時(?!間)(?:{_S}(半|{_N}{_S}分))?"
    rf"|(\d{{1,2}}):(\d{{1,2}})(?::\d{{2}}(?:\.\d+)?)?(?!\d))(?:{_S}(am|pm)(?![a-z]))?(?:頃|ごろ|ちょうど)?"
)
_ZONE = re.compile(r"z(?![a-z])|[+-]\d{2}:?\d{2}(?!\d)")
_ENGLISH_CLOCK = re.compile(r"(\d{1,2})\s*(am|pm)(?![a-z])")
_NOON = re.compile("正午|お昼(?![の\\d])|noon")
_BARE = re.compile(r"([0-2]\d)([0-5]\d)(?![\d年月日人件円号番本])")
_SOON = re.compile(
    rf"(?:あと|今から|いまから)?{_S}(?:({COUNT}){_S}時間(?:{_S}({COUNT}){_S}分|(半))?|({COUNT}){_S}分(?!間)|(半日)){_S}(?:後|ご(?![ろ]))"
)


def read_hour(written: Written, start: int, *, bare: bool) -> tuple[NamedHour | None, int]:
    """The time that begins at `start`, and where it ends; `bare`: four figures (0830) are one, too."""
    plain = written.plain
    if (soon := _SOON.match(plain, start)) is not None:
        minutes = 12 * 60 if soon[5] else 60 * number(soon[1] or "0") + number(soon[2] or soon[4] or "0")
        return NamedHour(since_now=timedelta(minutes=minutes + (30 if soon[3] else 0))), soon.end()
    if (noon := _NOON.match(plain, start)) is not None:
        return NamedHour(timedelta(hours=12)), noon.end()
    if (found := _CLOCK.match(plain, start)) is not None:
        minutes = 30 if found[3] == "半" else number((found[3] or found[5] or "0").removesuffix("分"))
        hours, half = number(found[2] or found[4]), found[1] or found[6] or _half_before(plain, start)
    elif (found := _ENGLISH_CLOCK.match(plain, start)) is not None:
        hours, minutes, half = int(found[1]), 0, found[2]
    elif bare and (found := _BARE.match(plain, start)) is not None:
        hours, minutes, half = int(found[1]), int(found[2]), "24"
    else:
        return None, start
    # Only as ISO 8601 has it: elsewhere, 9:00-12:00 is a span.
    zone = _ZONE.match(plain, found.end()) if plain[start - 1 : start] == "t" else None
    end = (zone or found).end()
    if hours > 29 or minutes > 59:
        raise UnreadableDate("dates.no_such_time", part=written.part(start, end))
    counted = _of_half(half, hours)
    if counted is None:
        raise UnreadableDate("dates.which_half", part=written.part(start, end))
    whole = timedelta(hours=counted, minutes=minutes)
    return NamedHour(whole, None, _zone(zone[0]) if zone else None, not half and 0 < hours < 12), end


def _half_before(plain: str, start: int) -> str:
    """今夜8時: the half of the day that a word for the day has named."""
    for word, (_, half) in PARTS_OF_DAYS.items():
        if plain[:start].rstrip(" の、,").endswith(word):
            return half
    return ""


def _of_half(half: str, hours: int) -> int | None:
    """Hours since midnight; None where they can be two."""
    half = half.replace(".", "")
    if hours > 12 or not half:
        return hours
    match half:
        case "午後" | "pm":
            return None if half == "午後" and hours == 12 else hours % 12 + 12
        case "午前" | "am":
            return None if half == "午前" and hours == 12 else hours % 12
        case "昼" | "お昼":
            return hours if hours >= 10 else hours + 12 if hours <= 4 else None
        case "夕" | "夕方":
            return hours + 12 if 3 <= hours <= 8 else None
        case "夜" | "晩":
            return hours + 12 if hours >= 5 else None
        case "夜中" | "深夜":
            return hours + 12 if hours in (10, 11) else None
        case "朝" | "早朝" | "未明":
            return hours if hours < 12 else None
    return hours


def _zone(word: str) -> timezone:
    if word == "z":
        return UTC
    hours, minutes = int(word[1:3]), int(word[-2:])
    return timezone((1 if word[0] == "+" else -1) * timedelta(hours=min(hours, 23), minutes=min(minutes, 59)))
