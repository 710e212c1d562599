"""What is below the reader of dates: characters of any width, figures in kanji, the eras."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from bot.errors import Refused

BLANKS: Final = r"[^\S\n]*"
FIGURES: Final = r"(?:\d{1,2}|[〇零一二三四五六七八九十]{1,3})"
COUNT: Final = r"(?:\d{1,4}|[〇零一二三四五六七八九十]{1,3})"
"""Expressions for what stands in dates; none of them can be read in two ways."""
WEEKDAYS: Final = "月火水木金土日"

_HYPHENS = dict.fromkeys(map(ord, "−‐‑‒–—―ー－"), "-")
_DIGITS = {digit: value for value, digit in enumerate("〇一二三四五六七八九")} | {"零": 0}
_ERAS: Final = (
    (("令和", "令", "r"), date(2019, 5, 1)),
    (("平成", "平", "h"), date(1989, 1, 8)),
    (("昭和", "昭", "s"), date(1926, 12, 25)),
    (("大正", "大", "t"), date(1912, 7, 30)),
    (("明治", "明", "m"), date(1868, 1, 25)),
)
"""Their names and first days. Rule: 元号を改める政令 of each; the first year is also called 元年."""


class UnreadableDate(Refused):
    """Words that are no date or time; the keys begin with `dates.`, and `values["part"]` is what is meant."""


@dataclass(frozen=True, slots=True)
class Written:
    """A text as it is read (NFKC, lower case, one hyphen) beside the text as it was typed."""

    typed: str
    plain: str
    places: tuple[int, ...]
    """Where in `typed` each character of `plain` comes from, and the end."""
    start: int
    """Where the first character stands that is no blank."""

    def origin(self, place: int) -> int:
        """The place in the typed text that this place in the plain one comes from."""
        return self.places[min(place, len(self.plain))]

    def part(self, start: int, end: int) -> str:
        """What was typed there."""
        return self.typed[self.origin(start) : self.origin(end)].strip()


def as_written(text: str) -> Written:
    """Take a text in."""
    plain, places = [], []
    for place, sign in enumerate(text):
        for each in unicodedata.normalize("NFKC", sign).lower().translate(_HYPHENS):
            plain.append(each)
            places.append(place)
    whole = "".join(plain)
    return Written(text, whole, (*places, len(text)), len(whole) - len(whole.lstrip()))


def number(word: str) -> int:
    """The number in figures of either script: 12, 十二, 二〇二六. Raises `ValueError`."""
    word = word.strip()
    if word.isdecimal():
        return int(word)
    if "十" in word:
        tens, _, ones = word.partition("十")
        if len(tens) > 1 or len(ones) > 1:
            raise ValueError(f"{word} is no number")
        return 10 * (_DIGITS[tens] if tens else 1) + (_DIGITS[ones] if ones else 0)
    if not word or any(sign not in _DIGITS for sign in word):
        raise ValueError(f"{word} is no number")
    return int("".join(str(_DIGITS[sign]) for sign in word))


def year_of_era(era: str, year: str, month: int, day: int) -> tuple[int, int, int]:
    """The day as (year, month, day) of the common era. Raises `ValueError` for what lies before the era's first day.

    A year after an era's end (平成32年) stands on many papers that were printed before it, and means one thing only.
    """
    first = next(first for names, first in _ERAS if era in names)
    counted = 1 if year == "元" else number(year)
    if counted < 1 or date(first.year + counted - 1, month, day) < first:
        raise ValueError(f"{era} had not begun")
    return first.year + counted - 1, month, day


def shown_part(moment: date) -> str:
    """A day or moment as an error names it: 2026-12-02（水） 09:00."""
    local = f"{moment:%Y-%m-%d}（{WEEKDAYS[moment.weekday()]}）"
    return f"{local} {moment:%H:%M}" if isinstance(moment, datetime) else local
