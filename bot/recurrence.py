"""When something happens by itself, a notice or a survey: once, or again and again, by the wall clock in Japan.

    2023-10-02 09:00          once, in all the words of `bot.dates`: 明日9時, 30分後, 12月2日（水） 午後3時
    毎日 09:00                 daily
    毎週月曜 09:00              weekly:mon
    毎月1日 09:00・毎月末日      monthly:1, monthly:last; a month without a 31st is passed over
    平日 08:30                 weekdays: days on which the city hall is open

The hour may follow without a blank, also with の or に (毎週月曜日の9時に).
With 翌開庁日 (next-open-day) a moment on a day on which the city hall is closed moves to the next day it is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Literal, Self

from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.clock import TOKYO, to_tokyo
from bot.dates import UnreadableDate, open_moment, read_prefix, read_time
from bot.dates.written import FIGURES, WEEKDAYS, as_written, number
from bot.open_days import is_closed
from bot.texts import Language, Texts

Every = Literal["once", "day", "week", "month", "workday"]

LAST_DAY = 0
"""As the day of a month: its last one."""

_LONGEST_CLOSURE = timedelta(days=21)
"""More than the city hall was ever closed in one go: ten days, in May 2019."""
_TICK = timedelta(microseconds=1)
_ENGLISH_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NEXT_OPEN = re.compile("翌開庁日|next-open-day")
_EVERY = re.compile(
    rf"毎週[^\S\n]*の?([{WEEKDAYS}])曜?日?|weekly:({'|'.join(_ENGLISH_WEEKDAYS)})[a-z]*"
    rf"|(?:毎月の?|monthly:)(?:({FIGURES})日?|(末日?|月末|last))|(平日|開庁日|weekdays)|(毎日|毎(?=朝)|daily)"
)
_LINK = re.compile(r"[^\S\n]*の?[^\S\n]*")
_FIRST_YEAR = 2000
_LOOKED_AT = 120


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
            moment = open_moment(base) if self.moved else base
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


def read(words: str, now: datetime | None) -> tuple[Rule, str]:
    """The rule at the beginning of what somebody wrote, and the rest as it was typed.

    Without `now`, a rule that needs none: 明日 and a date without a year do. Raises `UnreadableDate`, which names the
    part.
    """
    written, moved = as_written(words[:_LOOKED_AT]), False
    place = written.start
    if (ahead := _NEXT_OPEN.match(written.plain, place)) is not None:
        place, moved = _after_link(written.plain, ahead.end()), True
    every = _EVERY.match(written.plain, place)
    if every is None:
        return _once(words, now)
    fields = _fields(every, written.part(place, every.end()))
    place = _after_link(written.plain, every.end())
    if not moved and (beside := _NEXT_OPEN.match(written.plain, place)) is not None:
        place, moved = _after_link(written.plain, beside.end()), True
    if not written.plain[place:].strip():
        raise UnreadableDate("dates.no_time", part=words.strip())
    at, rest = read_time(words[written.origin(place) :])
    behind = as_written(rest[:_LOOKED_AT])
    if not moved and (found := _NEXT_OPEN.match(behind.plain)) is not None:
        rest, moved = rest[behind.origin(found.end()) :].lstrip(), True
    return Rule(at=at, moved=moved, **fields), rest


def parse(words: str, now: datetime | None = None) -> tuple[Rule, str] | None:
    """As `read`; None if there is no rule."""
    try:
        return read(words, now)
    except UnreadableDate:
        return None


def _once(words: str, now: datetime | None) -> tuple[Rule, str]:
    found = read_prefix(words, now)
    if found.moment.year < _FIRST_YEAR:
        raise UnreadableDate("dates.past", part=found.said, date=f"{found.moment:%Y-%m-%d}")
    at = time(found.moment.hour, found.moment.minute)
    return Rule(every="once", on=found.moment.date(), at=at, moved=found.moved), found.rest


def _fields(found: re.Match[str], part: str) -> dict[str, Any]:
    if found[1] or found[2]:
        weekday = WEEKDAYS.index(found[1]) if found[1] else _ENGLISH_WEEKDAYS.index(found[2])
        return {"every": "week", "weekday": weekday}
    if found[4]:
        return {"every": "month", "day": LAST_DAY}
    if found[3]:
        day = number(found[3])
        if not 1 <= day <= 31:
            raise UnreadableDate("dates.no_such_day", part=part)
        return {"every": "month", "day": day}
    return {"every": "workday" if found[5] else "day"}


def _after_link(plain: str, place: int) -> int:
    link = _LINK.match(plain, place)
    assert link is not None, "it may be empty"
    return link.end()
