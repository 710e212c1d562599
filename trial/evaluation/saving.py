"""Time saved, as cities put it in their papers: minutes a day, times days, times staff, times what an hour costs.

Published for a business chat: 11 minutes × 240 days = 44 hours a person and year; × 1,142 staff = 50,248 hours;
× 4,000 yen = 200,992,000 yen. It is an estimate: the minutes are an assumption and not something that was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Saving:
    """What `staff` people save in a year; hours as exact fractions, yen rounded down."""

    staff: int
    minutes_a_day: Fraction
    days: int
    yen_an_hour: int

    @property
    def hours_a_person(self) -> Fraction:
        return self.minutes_a_day * self.days / 60

    @property
    def hours(self) -> Fraction:
        return self.hours_a_person * self.staff

    @property
    def yen(self) -> int:
        return int(self.hours * self.yen_an_hour)


def break_even_minutes(yen_a_year: int, staff: int, days: int, yen_an_hour: int) -> Fraction | None:
    """Minutes that each of `staff` must save a day for the year to cost nothing; None where nobody saves anything."""
    worth = staff * days * yen_an_hour
    return Fraction(yen_a_year * 60, worth) if worth else None
