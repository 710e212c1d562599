"""The moments of a schedule, against a calendar that is walked day by day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.clock import TOKYO
from bot.open_days import is_closed
from bot.recurrence import LAST_DAY, Rule, parse

DAYS = st.dates(date(2018, 1, 1), date(2030, 12, 31))
MOMENTS = st.builds(datetime.combine, DAYS, st.times(), st.just(TOKYO))
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
RULES = st.one_of(
    st.builds(Rule, every=st.sampled_from(("day", "workday")), at=TIMES, moved=st.booleans()),
    st.builds(Rule, every=st.just("week"), at=TIMES, weekday=st.integers(0, 6), moved=st.booleans()),
    st.builds(Rule, every=st.just("month"), at=TIMES, day=st.integers(0, 31), moved=st.booleans()),
)


def falls_on(rule: Rule, day: date) -> bool:
    match rule.every:
        case "week":
            return day.weekday() == rule.weekday
        case "month":
            last = (day + timedelta(days=1)).month != day.month
            return last if rule.day == LAST_DAY else day.day == rule.day
        case "workday":
            return not is_closed(day)
        case _:
            return True


def walked(rule: Rule, after: datetime) -> datetime:
    """The next moment, found the slow way: every day since a month ago, moved where it must be."""
    day = after.date() - timedelta(days=31)
    while True:
        if falls_on(rule, day):
            kept = day
            while rule.moved and is_closed(kept):
                kept += timedelta(days=1)
            moment = datetime.combine(kept, rule.at, TOKYO)
            if moment > after:
                return moment
        day += timedelta(days=1)


@given(RULES, MOMENTS)
def test_the_next_moment_is_the_one_that_a_walk_through_the_calendar_finds(rule: Rule, after: datetime) -> None:
    assert rule.next_after(after) == walked(rule, after)


@given(RULES, MOMENTS)
def test_moments_only_go_forward_and_none_is_left_out(rule: Rule, after: datetime) -> None:
    found = list(islice(rule.moments(after), 4))
    assert found[0] > after
    assert all(rule.next_after(earlier) == later for earlier, later in pairwise(found))


@given(DAYS, TIMES, st.booleans(), MOMENTS)
def test_what_is_due_once_is_due_once(on: date, at: time, moved: bool, after: datetime) -> None:
    rule = Rule(every="once", on=on, at=at, moved=moved)
    found = list(rule.moments(after))
    kept = on
    while moved and is_closed(kept):
        kept += timedelta(days=1)
    moment = datetime.combine(kept, at, TOKYO)
    assert found == ([moment] if moment > after else [])


@given(RULES)
def test_a_rule_comes_back_from_its_row_as_it_was(rule: Rule) -> None:
    assert Rule.model_validate_json(rule.model_dump_json()) == rule


def test_a_monday_holiday_moves_to_tuesday_when_asked() -> None:
    before = datetime(2023, 10, 8, tzinfo=TOKYO)  # 9 October 2023 is スポーツの日
    kept = Rule(every="week", weekday=0, at=time(9))
    assert kept.next_after(before) == datetime(2023, 10, 9, 9, tzinfo=TOKYO)
    assert kept.model_copy(update={"moved": True}).next_after(before) == datetime(2023, 10, 10, 9, tzinfo=TOKYO)


def test_over_new_year_the_first_goes_out_on_the_fourth() -> None:
    rule = Rule(every="month", day=1, at=time(9), moved=True)
    assert rule.next_after(datetime(2023, 12, 30, tzinfo=TOKYO)) == datetime(2024, 1, 4, 9, tzinfo=TOKYO)
    weekdays = Rule(every="workday", at=time(8, 30))
    assert weekdays.next_after(datetime(2023, 12, 28, 9, tzinfo=TOKYO)) == datetime(2024, 1, 4, 8, 30, tzinfo=TOKYO)


def test_two_mondays_in_one_long_holiday_become_one_message() -> None:
    rule = Rule(every="week", weekday=0, at=time(9), moved=True)
    found = list(islice(rule.moments(datetime(2019, 4, 23, tzinfo=TOKYO)), 2))
    assert found == [datetime(2019, 5, 7, 9, tzinfo=TOKYO), datetime(2019, 5, 13, 9, tzinfo=TOKYO)]


NINE = time(9)


@pytest.mark.parametrize(
    ("words", "rule", "rest"),
    [
        ("2023-10-02 09:00 本文", Rule(every="once", on=date(2023, 10, 2), at=NINE), "本文"),
        (
            "２０２３年１０月２日　９時半 緊急 本文",
            Rule(every="once", on=date(2023, 10, 2), at=time(9, 30)),
            "緊急 本文",
        ),
        ("2023/10/2 9:00 翌開庁日 a\nb", Rule(every="once", on=date(2023, 10, 2), at=NINE, moved=True), "a\nb"),
        ("毎週月曜 09:00 本文", Rule(every="week", weekday=0, at=NINE), "本文"),
        ("weekly:friday 9:00 text", Rule(every="week", weekday=4, at=NINE), "text"),
        ("翌開庁日 毎月1日 9時 本文", Rule(every="month", day=1, at=NINE, moved=True), "本文"),
        ("毎月末日 9時5分 本文", Rule(every="month", day=LAST_DAY, at=time(9, 5)), "本文"),
        ("平日 08:30 本文", Rule(every="workday", at=time(8, 30)), "本文"),
        ("毎日 09:00", Rule(every="day", at=NINE), ""),
    ],
)
def test_rules_are_read_as_people_write_them(words: str, rule: Rule, rest: str) -> None:
    assert parse(words) == (rule, rest)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "本文",
        "毎週月曜",
        "毎週月曜 25:00 本文",
        "毎週月曜 9:60 本文",
        "2023-02-30 09:00 本文",
        "毎月0日 9時 本文",
        "毎月32日 9時 本文",
        "あした 9時 本文",
        "1969-01-01 9:00 本文",
    ],
)
def test_what_is_no_rule_is_not_guessed(words: str) -> None:
    assert parse(words) is None


def test_a_rule_with_a_field_that_is_not_its_own_is_refused() -> None:
    with pytest.raises(ValidationError, match="every=day takes"):
        Rule(every="day", at=NINE, day=3)
    with pytest.raises(ValidationError, match="every=once takes"):
        Rule(every="once", at=NINE)
