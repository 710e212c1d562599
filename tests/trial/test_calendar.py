from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trial.calendar import (
    WorkingHours,
    at,
    is_working_day,
    is_working_time,
    months_later,
    next_working_day,
    working_days,
)

HOURS = WorkingHours(time(8, 30), time(12), time(13), time(17, 15))


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2023, 7, 3), True),
        (date(2023, 7, 1), False),  # Saturday
        (date(2023, 7, 17), False),  # Marine Day
        (date(2024, 2, 12), False),  # a holiday made up for on Monday
        (date(2023, 12, 28), True),
        (date(2023, 12, 29), False),
        (date(2024, 1, 3), False),
        (date(2024, 1, 4), True),
    ],
)
def test_the_city_hall_opens_on_weekdays_but_holidays_and_the_turn_of_the_year(day: date, works: bool) -> None:
    assert is_working_day(day) is works


def test_working_time_is_japanese_wall_time() -> None:
    assert is_working_time(datetime(2023, 7, 2, 23, 30, tzinfo=UTC), HOURS)  # Monday 08:30 in Tokyo
    assert not is_working_time(datetime(2023, 7, 3, 8, 15, tzinfo=UTC), HOURS)  # 17:15, closing time
    assert not is_working_time(at(date(2023, 7, 1), time(10)), HOURS)


def test_the_next_working_day_may_be_today() -> None:
    assert next_working_day(date(2023, 9, 1)) == date(2023, 9, 1)
    assert next_working_day(date(2023, 12, 29)) == date(2024, 1, 4)


def test_the_default_trial_has_the_working_days_of_half_a_year() -> None:
    assert len(working_days(date(2023, 7, 1), date(2024, 1, 1))) == 123  # 130 weekdays, 6 holidays, 29 December


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2023, 7, 1), 6, date(2024, 1, 1)),
        (date(2023, 8, 31), 6, date(2024, 2, 29)),
        (date(2023, 1, 30), 1, date(2023, 2, 28)),
    ],
)
def test_months_end_where_a_shorter_month_ends(start: date, months: int, end: date) -> None:
    assert months_later(start, months) == end


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(0, 60))
def test_months_later_lands_in_the_right_month(start: date, months: int) -> None:
    later = months_later(start, months)
    assert (later.year - start.year) * 12 + later.month - start.month == months
    assert later.day <= start.day


def test_hours_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="must run"):
        WorkingHours(time(9), time(8), time(13), time(17))
