"""The spans that an evaluation counts in: the months, the weeks and the fiscal years of a trial."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from trial.calendar import months_later

APRIL = 4


def months(starts: date, ends: date) -> list[date]:
    """The first day of every month that a span touches; `ends` no longer belongs to it."""
    found, month = [], starts.replace(day=1)
    while month < ends:
        found.append(month)
        month = months_later(month, 1)
    return found


def weeks(starts: date, ends: date) -> Iterator[date]:
    """The Monday of every week that a span touches."""
    monday = starts - timedelta(days=starts.weekday())
    while monday < ends:
        yield monday
        monday += timedelta(days=7)


def whole_weeks(starts: date, ends: date, first: date | None) -> list[date]:
    """The Mondays of the weeks that count as weeks of use: whole ones, from that of the first notice on.

    Half a week at the ends, and weeks in which nobody had anything to read yet, are no weeks without use.
    """
    after = timedelta(days=7)
    return [
        monday
        for monday in weeks(starts, ends)
        if starts <= monday and monday + after <= ends and (first is None or monday + after > first)
    ]


def fiscal_year(day: date) -> int:
    """The year in which the fiscal year of `day` began: it runs from April to March (地方自治法第208条)."""
    return day.year if day.month >= APRIL else day.year - 1


def next_april(day: date) -> date:
    """The first fiscal year's first day that comes after `day`, or on it."""
    april = date(day.year, APRIL, 1)
    return april if day <= april else date(day.year + 1, APRIL, 1)


def month_key(month: date) -> str:
    return f"{month:%Y-%m}"
