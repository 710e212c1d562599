"""When a city hall works: weekdays but public holidays and the turn of the year, in Japanese time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import jpholiday

from bot.bilingual import both
from bot.clock import TOKYO, to_tokyo

TURN_OF_THE_YEAR = ((12, 29), (1, 3))
"""Closed from 29 December to 3 January, as 地方自治法 (article 4-2) and the cities' bylaws have it."""


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """From `opens` to `closes` on a working day, with a lunch break; Japanese wall time."""

    opens: time
    lunch_from: time
    lunch_until: time
    closes: time

    def __post_init__(self) -> None:
        if not self.opens < self.lunch_from <= self.lunch_until < self.closes:
            raise ValueError(both("trial", "mend.hours"))


def is_working_day(day: date) -> bool:
    """Whether the city hall is open on `day`."""
    first, last = TURN_OF_THE_YEAR
    closed = (day.month, day.day) >= first or (day.month, day.day) <= last
    return day.weekday() < 5 and not closed and not jpholiday.is_holiday(day)


def is_working_time(moment: datetime, hours: WorkingHours) -> bool:
    """Whether people sit at their desks at `moment`, lunch included."""
    local = to_tokyo(moment)
    return is_working_day(local.date()) and hours.opens <= local.time() < hours.closes


def next_working_day(day: date) -> date:
    """`day` itself if the city hall is open, or the first day after it that it is."""
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


def days(start: date, end: date) -> Iterator[date]:
    """Every day from `start` to the day before `end`."""
    for number in range((end - start).days):
        yield start + timedelta(days=number)


def working_days(start: date, end: date) -> list[date]:
    """The days from `start` to the day before `end` on which the city hall is open."""
    return [day for day in days(start, end) if is_working_day(day)]


def months_later(start: date, months: int) -> date:
    """The same day of the month, `months` later; the month's last day where it is shorter."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    for shorter in range(4):
        try:
            return date(year, month + 1, start.day - shorter)
        except ValueError:
            continue
    raise AssertionError("Every month has at least 28 days.")


def at(day: date, clock_time: time) -> datetime:
    """The moment at which wall clocks in Japan show `clock_time` on `day`."""
    return datetime.combine(day, clock_time, tzinfo=TOKYO)
