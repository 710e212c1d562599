"""When something happens by itself, a notice or a survey: once, or again and again, by the wall clock in Japan.

    2023-10-02 09:00          once; also 2023/10/2 and 2023年10月2日, 9時 and 9時半
    10月2日 09:00              once, the next one; also 10/2, 今日, 明日 (where `today` is given)
    毎日 09:00                 daily
    毎週月曜 09:00              weekly:mon
    毎月1日 09:00・毎月末日      monthly:1, monthly:last; a month without a 31st is passed over
    平日 08:30                 weekdays: days on which the city hall is open

With 翌開庁日 (next-open-day) a moment on a day on which the city hall is closed moves to the next day it is open.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Literal, Self

import jpholiday
from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.clock import TOKYO, to_tokyo
from bot.texts import Language, Texts

Every = Literal["once", "day", "week", "month", "workday"]

LAST_DAY = 0
"""As the day of a month: its last one."""

_LONGEST_CLOSURE = timedelta(days=21)
"""More than the city hall was ever closed in one go: ten days, in May 2019."""
_TICK = timedelta(microseconds=1)
_WEEKDAYS = "月火水木金土日"
_ENGLISH_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NEXT_OPEN = frozenset({"翌開庁日", "next-open-day"})
_DATE = re.compile(r"(20\d{2})(?:-(\d{1,2})-(\d{1,2})|/(\d{1,2})/(\d{1,2})|年(\d{1,2})月(\d{1,2})日)")
_THIS_YEAR = re.compile(r"(\d{1,2})(?:月(\d{1,2})日|/(\d{1,2}))")
_SOON = {"今日": 0, "本日": 0, "today": 0, "明日": 1, "あした": 1, "あす": 1, "tomorrow": 1}
_TIME = re.compile(r"(\d{1,2})(?::(\d{2})|時(?:(\d{1,2})分|(半))?)")
_WEEKLY = re.compile(rf"毎週([{_WEEKDAYS}])曜?日?|weekly:({'|'.join(_ENGLISH_WEEKDAYS)})[a-z]*")
_MONTHLY = re.compile(r"(?:毎月|monthly:)(?:(\d{1,2})日?|(末日|月末|last))")


class Rule(BaseModel):
    """When: `on` belongs to once, `weekday` (0 is Monday) to a week, `day` (1 to 31, or `LAST_DAY`) to a month."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Every
    at: time
    on: date | None = None
    weekday: int | None = Field(default=None, ge=0, le=6)
    day: int | None = Field(default=None, ge=0, le=31)
    moved: bool = False
    """Whether a moment on a closed day moves to the next open one."""

    @model_validator(mode="after")
    def says_when(self) -> Self:
        given = {name for name in ("on", "weekday", "day") if getattr(self, name) is not None}
        wanted = {"once": {"on"}, "week": {"weekday"}, "month": {"day"}}.get(self.every, set())
        if given != wanted:
            raise ValueError(f"every={self.every} takes {sorted(wanted)}, not {sorted(given)}")
        return self

    @property
    def recurs(self) -> bool:
        return self.every != "once"

    def moments(self, after: datetime) -> Iterator[datetime]:
        """Every moment later than `after`, the earliest first, each once; without end if it recurs."""
        trigger, reached = self._trigger(), after
        base: datetime | None = after - _LONGEST_CLOSURE if self.moved else after
        while base is not None and (base := trigger.get_next_fire_time(None, base + _TICK)) is not None:
            if self.every == "workday" and is_closed(base.date()):
                continue
            moment = _next_open(base) if self.moved else base
            if moment > reached:
                reached = moment
                yield moment

    def next_after(self, after: datetime) -> datetime | None:
        """The first moment later than `after`; None if there is none any more."""
        return next(self.moments(after), None)

    def _trigger(self) -> CronTrigger:
        fields: dict[str, Any] = {"hour": self.at.hour, "minute": self.at.minute}
        match self.every:
            case "once":
                assert self.on is not None
                fields |= {"year": self.on.year, "month": self.on.month, "day": self.on.day}
            case "week":
                fields["day_of_week"] = self.weekday
            case "month":
                fields["day"] = "last" if self.day == LAST_DAY else self.day
            case "workday":
                fields["day_of_week"] = "mon-fri"
        return CronTrigger(**fields, timezone=TOKYO)


def is_closed(day: date) -> bool:
    """Whether a city hall is closed all day.

    Rule: 地方自治法第4条の2第2項 (Saturdays, Sundays, national holidays, and 12月29日 to 1月3日 by the cities' own
    ordinances on their 休日).
    """
    year_end = (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)
    return day.weekday() >= 5 or year_end or jpholiday.is_holiday(day)


def _next_open(moment: datetime) -> datetime:
    while is_closed(to_tokyo(moment).date()):
        moment += timedelta(days=1)
    return moment


def shown(moment: datetime, language: Language) -> str:
    """A moment with its day of the week, 2023-10-02（月） 09:00."""
    texts, local = Texts("bot", language=language), to_tokyo(moment)
    weekday = texts(f"recurrence.weekday_{local.weekday()}")
    return texts("recurrence.moment", date=f"{local:%Y-%m-%d}", weekday=weekday, time=f"{local:%H:%M}")


def in_words(rule: Rule, language: Language) -> str:
    """A rule as people say it."""
    texts = Texts("bot", language=language)
    weekday = "" if rule.weekday is None else texts(f"recurrence.weekday_{rule.weekday}")
    kind = "month_end" if rule.every == "month" and rule.day == LAST_DAY else rule.every
    values = {"date": rule.on, "weekday": weekday, "day": rule.day}
    said = texts(f"recurrence.rule_{kind}", time=f"{rule.at:%H:%M}", **values)
    return said + (texts("recurrence.rule_moved") if rule.moved else "")


def parse(words: str, today: date | None = None) -> tuple[Rule, str] | None:
    """The rule at the beginning of what somebody wrote and the rest as it was typed; None if there is no rule.

    With `today` a date needs no year.
    """
    rest, moved, found = words.strip(), False, list[str]()
    while rest:
        word = rest.split(maxsplit=1)[0]
        plain = unicodedata.normalize("NFKC", word).casefold()
        if plain in _NEXT_OPEN and not moved:
            moved = True
        elif len(found) < 2:
            found.append(plain)
        else:
            break
        rest = rest[len(word) :].lstrip()
    if len(found) < 2 or (at := _time(found[1])) is None or (when := _day(found[0], today)) is None:
        return None
    return Rule(at=at, moved=moved, **when), rest


def _next_date(today: date, month: int, day: int) -> dict[str, Any] | None:
    for year in range(today.year, today.year + 5):  # until there is a 29th of February
        try:
            on = date(year, month, day)
        except ValueError:
            continue
        if on >= today:
            return {"every": "once", "on": on}
    return None


def _time(word: str) -> time | None:
    found = _TIME.fullmatch(word)
    if found is None:
        return None
    hour, minute = int(found[1]), 30 if found[4] else int(found[2] or found[3] or 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _day(word: str, today: date | None) -> dict[str, Any] | None:
    if today is not None and word in _SOON:
        return {"every": "once", "on": today + timedelta(days=_SOON[word])}
    if today is not None and (found := _THIS_YEAR.fullmatch(word)):
        return _next_date(today, int(found[1]), int(found[2] or found[3]))
    if found := _DATE.fullmatch(word):
        year, month, day = (int(part) for part in found.groups() if part is not None)
        try:
            return {"every": "once", "on": date(year, month, day)}
        except ValueError:
            return None
    if found := _WEEKLY.fullmatch(word):
        weekday = _WEEKDAYS.index(found[1]) if found[1] else _ENGLISH_WEEKDAYS.index(found[2])
        return {"every": "week", "weekday": weekday}
    if found := _MONTHLY.fullmatch(word):
        number = LAST_DAY if found[2] else int(found[1])
        return {"every": "month", "day": number} if found[2] or 1 <= number <= 31 else None
    if word in {"平日", "weekdays"}:
        return {"every": "workday"}
    return {"every": "day"} if word in {"毎日", "daily"} else None
