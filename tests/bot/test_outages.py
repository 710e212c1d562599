"""What waits for a platform survives long outages, clocks that are set, and platforms that say "later"."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapter import Rejected, Retry, Sent
from bot.messages import Priority
from bot.readiness import Watch
from tests.bot.test_outbox import Office, Post, fresh_database


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with fresh_database(tmp_path) as database:
        office = Office(database, Post())
        yield office
        await office.outbox.stop()


async def _put_all(office: Office, count: int) -> None:
    for number in range(count):
        await office.put(f"notice {number}", to=f"u{number}", priority=Priority.NOTICE)
    await office.activity.idle()


@pytest.mark.parametrize("hours", [6], ids=["six hours"])
async def test_after_an_outage_everybody_has_the_notice_exactly_once(office: Office, hours: int) -> None:
    works = False
    office.adapter.answers = lambda each: Sent(f"m{each.id}") if works else Retry("The service answered 502.")
    await office.outbox.start()
    await _put_all(office, 5)
    await office.advance(timedelta(hours=hours))
    assert set((await office.states()).values()) == {"queued"}
    works, before = True, len(office.adapter.sent)
    await office.advance(timedelta(minutes=2))
    assert set((await office.states()).values()) == {"sent"}
    assert sorted(each.message.text for each in office.adapter.sent[before:]) == [f"notice {n}" for n in range(5)]


async def test_a_restart_in_the_middle_of_an_outage_changes_nothing(office: Office) -> None:
    works = False
    office.adapter.answers = lambda each: Sent(f"m{each.id}") if works else Retry("The service answered 302.")
    await office.outbox.start()
    await _put_all(office, 2)
    for _ in range(4):
        await office.advance(timedelta(minutes=30))
        await office.outbox.stop()
        office.outbox = office.new_outbox()
        await office.outbox.start()
    works = True
    await office.advance(timedelta(minutes=2))
    assert set((await office.states()).values()) == {"sent"}


async def test_an_answer_is_given_up_with_its_reason_once_it_no_longer_matters(office: Office) -> None:
    office.adapter.answers = lambda _: Retry("The service answered 502.")
    await office.outbox.start()
    await office.put("answer", to="alice", priority=Priority.REPLY)
    for number in range(3):
        await office.put(f"notice {number}", to="bob", priority=Priority.NOTICE)
    await office.advance(timedelta(hours=4))
    states = list((await office.states()).values())
    assert states[0] == "dead"
    assert set(states[1:]) == {"queued"}
    assert "term" in (await office.outbox.dead())[0].reason


async def test_a_message_that_alone_fails_is_bounded_by_its_tries(office: Office) -> None:
    def answer(each: object) -> Sent | Retry:
        text = each.message.text  # type: ignore[attr-defined] # a delivery
        return Retry("The service answered 500.") if text == "poison" else Sent("m")

    office.adapter.answers = answer
    await office.outbox.start()
    await office.put("poison", to="alice", priority=Priority.NOTICE)
    for number in range(20):
        await office.put(f"other {number}", to=f"u{number}", priority=Priority.NOTICE)
        await office.advance(timedelta(seconds=10))
    states = list((await office.states()).values())
    assert states[0] == "dead"
    assert set(states[1:]) == {"sent"}


async def test_a_clock_that_is_set_back_behind_the_start_silences_nobody(office: Office) -> None:
    await office.outbox.start()
    await office.put("before", to="alice")
    await office.activity.idle()
    office.clock.jump(timedelta(hours=-9))
    await office.put("after", to="bob")
    await office.activity.idle()
    assert office.adapter.texts == ["before", "after"]


@pytest.mark.parametrize("hours", [-9, 9])
async def test_what_waits_for_another_try_goes_soon_although_the_clock_is_set(office: Office, hours: int) -> None:
    works = False
    office.adapter.answers = lambda each: Sent(f"m{each.id}") if works else Retry("cut")
    await office.outbox.start()
    await _put_all(office, 3)
    works = True
    office.clock.jump(timedelta(hours=hours))
    await office.advance(timedelta(minutes=11))
    assert set((await office.states()).values()) == {"sent"}


async def test_what_an_earlier_process_wrote_with_a_clock_that_was_ahead_goes_out(office: Office) -> None:
    await office.put("written at the wrong time", to="alice")
    office.clock.jump(timedelta(hours=-9))
    await office.outbox.start()
    await office.activity.idle()
    assert office.adapter.texts == ["written at the wrong time"]


async def test_a_platform_that_says_later_for_a_day_is_down_and_asked_every_minute(office: Office) -> None:
    works = False
    later = Retry("Too many.", after=timedelta(days=1))
    office.adapter.answers = lambda each: Sent(f"m{each.id}") if works else later
    await office.outbox.start()
    await _put_all(office, 3)
    assert office.outbox.down == {"post"}
    await office.advance(timedelta(minutes=30))
    assert len(office.adapter.sent) <= 35
    works = True
    await office.advance(timedelta(minutes=3))
    assert set((await office.states()).values()) == {"sent"}


@pytest.mark.parametrize("seconds", [0, -1, -86_400])
async def test_a_wait_that_makes_no_sense_is_a_pause_that_grows(office: Office, seconds: int) -> None:
    office.adapter.answers = lambda _: Retry("Too many.", after=timedelta(seconds=seconds))
    await office.outbox.start()
    await _put_all(office, 3)
    await office.advance(timedelta(seconds=75))
    assert 3 <= len(office.adapter.sent) <= 10


async def test_a_refusal_during_an_outage_is_still_a_refusal(office: Office) -> None:
    office.adapter.answers = lambda each: Rejected("gone") if each.address.id == "u1" else Retry("cut")
    await office.outbox.start()
    await _put_all(office, 5)
    await office.advance(timedelta(minutes=10))
    assert sorted((await office.states()).values()) == ["dead"] + ["queued"] * 4


class _Told:
    """Keeps what alarms were raised."""

    def __init__(self) -> None:
        self.raised: list[tuple[str, object, object]] = []

    def note(self, kind: str, *, subject: str = "", **values: object) -> None:
        self.raised.append((kind, values["before"], values["after"]))

    def note_end(self, kind: str, *, subject: str = "") -> None: ...


@pytest.mark.parametrize("hours", [-9, 9])
async def test_a_clock_that_was_set_is_told_once(office: Office, hours: int) -> None:
    told = _Told()
    watch = Watch({}, told, office.database, office.clock, office.activity)  # type: ignore[arg-type] # notes alone
    await watch.start()
    await office.advance(timedelta(minutes=2))
    assert told.raised == []
    office.clock.jump(timedelta(hours=hours))
    await office.advance(timedelta(minutes=2))
    after = {-9: "2023-07-03 00:02", 9: "2023-07-03 18:02"}[hours]
    await watch.stop()
    [(kind, before, shown)] = told.raised
    assert (kind, str(before)[:13], str(shown)[:13]) == ("clock_was_set", "2023-07-03 09", after[:13])
