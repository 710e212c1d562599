"""The simulated people beside a published drill, and a trial whose use declines."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.clock import TOKYO
from trial.behaviour import Behaviour
from trial.parameters import load_parameters
from trial.population import Person, populate

FOLDER = Path(__file__).parent.parent.parent / "config" / "trial"
SUNDAY = datetime(2023, 10, 8, 14, 0, tzinfo=TOKYO)
PUBLISHED = {10: 0.27, 20: 0.42, 30: 0.48, 60: 0.60, 120: 0.70, 3 * 24 * 60: 0.86}
"""Minutes after a drill on a Sunday at 14:00, and how many of 521 staff had answered by then."""


def answered(behaviour: Behaviour, people: list[Person], key: str) -> list[float]:
    """The minutes after which each of those who answered had done so."""
    found = []
    for person in people:
        opened = behaviour.reads_at(person, "urgent", key, SUNDAY)
        answer = None if opened is None else behaviour.answers_notice_at(person, key, opened)
        if answer is not None:
            found.append((answer - SUNDAY).total_seconds() / 60)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_a_drill_on_a_sunday_is_answered_about_as_the_published_one(seed: int) -> None:
    behaviour = Behaviour(load_parameters(FOLDER / "default.toml"), seed)
    minutes = answered(behaviour, populate(521, seed), f"drill:{seed}")
    for after, published in PUBLISHED.items():
        share = sum(minute <= after for minute in minutes) / 521
        assert share == pytest.approx(published, abs=0.08), after


def test_the_same_people_do_not_answer_every_night() -> None:
    behaviour = Behaviour(load_parameters(FOLDER / "default.toml"), 1)
    people = populate(225, 1)
    nights = [SUNDAY.replace(hour=23, minute=20) + timedelta(days=7 * number) for number in range(6)]
    readers = [
        {
            person.login
            for person in people
            if (opened := behaviour.reads_at(person, "urgent", f"night:{night}", night)) is not None
            and opened < night + timedelta(hours=12)
        }
        for night in nights
    ]
    assert len({frozenset(each) for each in readers}) == len(nights)
    assert len({len(each) for each in readers}) > 2


def test_somebody_reads_an_ordinary_notice_within_five_minutes() -> None:
    behaviour = Behaviour(load_parameters(FOLDER / "default.toml"), 1)
    sent = datetime(2023, 7, 10, 9, 31, tzinfo=TOKYO)
    opened = [behaviour.reads_at(person, "notice", "broadcast:1", sent) for person in populate(225, 1)]
    soon = sum(moment is not None and moment <= sent + timedelta(minutes=5) for moment in opened)
    assert 2 < soon < 60


def test_decline_can_be_rehearsed() -> None:
    start = SUNDAY.date() - timedelta(days=100)
    fading = Behaviour(load_parameters(FOLDER / "decline.toml"), 1, start)
    lasting = Behaviour(load_parameters(FOLDER / "default.toml"), 1, start)
    people = populate(225, 1)

    def using(behaviour: Behaviour, days: int) -> int:
        moment = SUNDAY + timedelta(days=days - 100)
        return sum(not behaviour.has_stopped(person, moment) for person in people)

    assert [using(lasting, days) for days in (0, 90, 180)] == [225, 225, 225]
    assert using(fading, 0) == 225
    assert 225 > using(fading, 90) > using(fading, 180) > 60
    assert [fading.has_stopped(people[0], SUNDAY)] == [fading.has_stopped(people[0], SUNDAY)]
