"""The days on which a city hall is open."""

from __future__ import annotations

from datetime import date, timedelta

import jpholiday

_DAY = timedelta(days=1)


def is_closed(day: date) -> bool:
    """Whether a city hall is closed all day.

    Rule: 地方自治法第4条の2第2項 (Saturdays, Sundays, national holidays, and 12月29日 to 1月3日 by the cities' own
    ordinances on their 休日).
    """
    year_end = (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)
    return day.weekday() >= 5 or year_end or jpholiday.is_holiday(day)


def open_day(day: date) -> date:
    """This day if the city hall is open then, or else the next one on which it is."""
    while is_closed(day):
        day += _DAY
    return day
