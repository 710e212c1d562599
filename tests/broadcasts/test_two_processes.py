"""Two processes with one PostgreSQL between them: what both want to send at the same moment goes out once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import time, timedelta

import pytest
from sqlalchemy import delete, func, select

from bot import audit, directory
from bot.activity import Activity
from bot.adapter import Capabilities
from bot.clock import ManualClock
from bot.directory import APPROVER, HEADQUARTERS, SENDER, Member
from bot.outbox import Outbox
from bot.recurrence import Rule
from bot.storage import Database
from bot.tables import member_roles
from bot.texts import Texts
from broadcasts.drafting_tables import broadcast_approvals
from broadcasts.service import Broadcasts, Confirmation
from broadcasts.tables import broadcast_recipients, broadcasts
from tests.broadcasts.support import START, Platform, entry
from tests.postgres import Postgres

PEOPLE = [
    entry("hq", "総務課", roles=[HEADQUARTERS]),
    entry("sender", "総務課", roles=[SENDER]),
    entry("boss", "総務課", roles=[APPROVER]),
    *(entry(f"{number:02}", "税務課") for number in range(20)),
]
ROUNDS = 5
"""How often each race is run: who wins is the database's affair."""


AGREED = 10**9
"""They have seen that the same text went out before, and want it."""


class Process:
    """One of the two: a pool of connections, a clock and all services of its own."""

    def __init__(self, url: str, platform: Platform) -> None:
        self.database = Database.open(url)
        self.clock, self.activity = ManualClock(START), Activity()
        adapters = {platform.name: platform}
        self.outbox = Outbox(self.database, adapters, self.clock, self.activity, poll=timedelta(hours=6))
        parts = (self.database, self.outbox, adapters, self.clock, self.activity, Texts("broadcasts"))
        self.service = Broadcasts(*parts)

    async def member(self, code: str) -> Member:
        async with self.database.snapshot() as db:
            found = await directory.member_by_code(db, code)
        assert found is not None
        return found

    async def draft(self, code: str, kind: str, rule: Rule | None = None) -> tuple[int, str]:
        """A notice to everybody; its number and the preview's fingerprint."""
        author = await self.member(code)
        async with self.database.transaction() as db:
            number = await self.service.draft(db, author, "本文", kind=kind)  # type: ignore[arg-type] # one of the kinds
            if rule is not None:
                await self.service.schedules.plan(db, number, rule)
            return number, (await self.service.preview(db, number)).fingerprint

    async def confirm(self, number: int, code: str, seen: str) -> Confirmation:
        member = await self.member(code)
        async with self.database.transaction() as db:
            return await self.service.confirm(db, number, member, seen, repeats=AGREED)

    async def approve(self, request: int, code: str, seen: str) -> str:
        member = await self.member(code)
        async with self.database.transaction() as db:
            return (await self.service.approve(db, request, member, seen, repeats=AGREED)).outcome

    async def send_back(self, request: int, code: str) -> str:
        member = await self.member(code)
        async with self.database.transaction() as db:
            found = await self.service.approvals.find(db, request, member, "return")
            done = await self.service.approvals.decide(db, found, member, "returned", "時刻が違います")
        return "returned" if done else "late"


class Pair:
    """Both processes and the platform they share."""

    def __init__(self, one: Process, two: Process, platform: Platform) -> None:
        self.one, self.two, self.platform = one, two, platform

    async def deliver(self) -> None:
        """Let both send what is queued, at the same time."""
        for process in (self.one, self.two):
            await process.outbox.start()
        for process in (self.one, self.two):
            await process.activity.idle()
        for process in (self.one, self.two):
            await process.outbox.stop()

    async def request(self, number: int) -> int:
        async with self.one.database.snapshot() as db:
            query = select(broadcast_approvals.c.id).where(broadcast_approvals.c.broadcast_id == number)
            found: int = (await db.scalars(query)).one()
        return found

    async def assert_sent_once(self, number: int) -> None:
        """Everybody has it, nobody has it twice, and the audit says so once and holds."""
        copies = self.platform.copies(f"broadcast:{number}")
        assert copies == {f"u-{person.code}": 1 for person in PEOPLE}
        async with self.one.database.snapshot() as db:
            people = select(func.count()).where(broadcast_recipients.c.broadcast_id == number)
            assert await db.scalar(people) == len(PEOPLE)
            assert (await audit.verify(db)).ok
            row = audit.audit_log.c
            told = select(func.count()).where(row.action == "broadcast.sent", row.subject == f"broadcast:{number}")
            assert await db.scalar(told) == 1


@pytest.fixture
async def pair(postgres: Postgres) -> AsyncIterator[Pair]:
    url = await postgres.new_database()
    # No rooms: everybody has a delivery of their own, and a second copy would be seen.
    platform = Platform(capabilities=Capabilities(native_receipts=True, buttons=10, text_length=500, idempotent=True))
    async with AsyncExitStack() as parts:
        one, two = Process(url, platform), Process(url, platform)
        for process in (one, two):
            parts.push_async_callback(process.database.close)
        await one.database.create_tables()
        async with one.database.transaction() as db:
            await directory.save(db, PEOPLE)
        yield Pair(one, two, platform)


async def test_a_notice_that_both_confirm_at_once_goes_out_once(pair: Pair) -> None:
    for _ in range(ROUNDS):
        number, seen = await pair.one.draft("hq", "emergency")
        pressed = [process.confirm(number, "hq", seen) for process in (pair.one, pair.two) for _ in range(3)]
        outcomes = [each.outcome for each in await asyncio.gather(*pressed)]
        assert sorted(outcomes) == ["already"] * 5 + ["sent"]
        await pair.deliver()
        await pair.assert_sent_once(number)


async def test_a_request_is_made_once_however_many_press(pair: Pair) -> None:
    number, seen = await pair.one.draft("sender", "emergency")
    results = await asyncio.gather(
        *(process.confirm(number, "sender", seen) for process in (pair.one, pair.two) for _ in range(2)),
        return_exceptions=True,
    )
    outcomes = [each.outcome for each in results if isinstance(each, Confirmation)]
    # Whoever loses the race at the unique index fails, leaves nothing behind and is tried again by the dispatcher.
    assert outcomes.count("requested") == 1
    assert set(outcomes) <= {"requested", "waiting"}
    assert (await pair.two.confirm(number, "sender", seen)).outcome == "waiting"
    await pair.request(number)


async def test_two_who_approve_at_once_send_it_once(pair: Pair) -> None:
    for _ in range(ROUNDS):
        number, seen = await pair.one.draft("sender", "emergency")
        assert (await pair.one.confirm(number, "sender", seen)).outcome == "requested"
        request = await pair.request(number)
        outcomes = await asyncio.gather(pair.one.approve(request, "hq", seen), pair.two.approve(request, "boss", seen))
        assert sorted(outcomes) == ["already", "sent"]
        await pair.deliver()
        await pair.assert_sent_once(number)


async def test_approvers_are_asked_again_once_while_both_run(pair: Pair) -> None:
    both = (pair.one, pair.two)
    for _ in range(ROUNDS):
        number, seen = await pair.one.draft("sender", "emergency")
        assert (await pair.one.confirm(number, "sender", seen)).outcome == "requested"
    for process in both:
        await process.service.start()
    try:
        for process in both:
            await process.activity.idle()
        for process in both:  # both clocks strike before either of the two does anything
            process.clock.advance(timedelta(hours=12))
        for process in both:
            await process.activity.idle()
    finally:
        for process in both:
            await process.service.stop()
    await pair.deliver()
    for person in ("u-hq", "u-boss"):
        again = [each for each in pair.platform.screens[person] if each.text.startswith("【もう一度のお願い】")]
        assert len(again) == ROUNDS
    async with pair.one.database.snapshot() as db:
        noted = select(func.count()).where(audit.audit_log.c.action == "broadcast.approval_asked_again")
        assert await db.scalar(noted) == ROUNDS


async def test_of_one_who_approves_and_one_who_sends_back_the_first_decides(pair: Pair) -> None:
    for _ in range(ROUNDS):
        number, seen = await pair.one.draft("sender", "emergency")
        await pair.one.confirm(number, "sender", seen)
        request = await pair.request(number)
        approving, returning = pair.one.approve(request, "hq", seen), pair.two.send_back(request, "boss")
        outcomes = tuple(await asyncio.gather(approving, returning))
        assert outcomes in {("sent", "late"), ("already", "returned")}
        await pair.deliver()
        if outcomes[0] == "sent":
            await pair.assert_sent_once(number)
        else:
            assert pair.platform.copies(f"broadcast:{number}") == {}


async def test_every_occurrence_of_a_schedule_goes_out_once_while_both_run(pair: Pair) -> None:
    number, seen = await pair.one.draft("hq", "notice", Rule(every="day", at=time(12)))
    assert (await pair.one.confirm(number, "hq", seen)).outcome == "scheduled"
    both = (pair.one, pair.two)
    for process in both:
        await process.service.start()
    try:
        for day in range(ROUNDS):
            for process in both:
                await process.activity.idle()
            for process in both:  # both clocks strike before either of the two does anything
                process.clock.advance_to(START.replace(hour=12) + timedelta(days=day))
        for process in both:
            await process.activity.idle()
    finally:
        for process in both:
            await process.service.stop()
    async with pair.one.database.snapshot() as db:
        sent = list(await db.scalars(select(broadcasts.c.id).where(broadcasts.c.state == "sent")))
    assert len(sent) == ROUNDS
    await pair.deliver()
    for each in sent:
        await pair.assert_sent_once(each)


async def test_the_right_of_the_author_is_asked_again_when_it_is_due(pair: Pair) -> None:
    number, seen = await pair.one.draft("sender", "notice", Rule(every="day", at=time(12)))
    assert (await pair.one.confirm(number, "sender", seen)).outcome == "scheduled"
    async with pair.two.database.transaction() as db:
        await db.execute(delete(member_roles).where(member_roles.c.role == SENDER))
    for process in (pair.one, pair.two):
        process.clock.advance(timedelta(days=1))
    await asyncio.gather(*(_do_due(process) for process in (pair.one, pair.two)))
    async with pair.one.database.snapshot() as db:
        assert await db.scalar(select(broadcasts.c.state).where(broadcasts.c.id == number)) == "cancelled"
        stopped = select(func.count()).where(audit.audit_log.c.action == "broadcast.schedule_stopped")
        assert await db.scalar(stopped) == 1


async def _do_due(process: Process) -> None:
    async with process.database.transaction() as db:
        await process.service.schedules.do_due(db)
