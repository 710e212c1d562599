"""A database that reads and cannot write: what comes waits, uses up nothing, and is handled after the mend."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from bot import Context, Router
from bot.clock import ManualClock
from bot.database_faults import fault_in
from bot.database_health import DatabaseHealth
from bot.directory import ADMINISTRATOR, Entry
from bot.events import MessageRead, MessageReceived
from bot.storage import Database
from bot.tables import departments
from bot.testing import Harness
from bot.testing.harness import START
from tests import faults
from tests.databases import empty_database

Fault = Callable[[Database], AbstractAsyncContextManager[None]]
STAFF = [Entry("1", "管理 一", "情報課", roles=[ADMINISTRATOR], addresses={"fake": "one"})]
MUCH = "水" * 20_000
"""More than fits into the room that is left in the pages of a database."""


def noting() -> Router:
    router = Router()

    @router.command("記す")
    async def note(ctx: Context[MessageReceived]) -> None:
        db = await ctx.db()
        await db.execute(insert(departments).values(code=ctx.event.key, name=MUCH))
        await ctx.reply("記しました")

    @router.bulk(MessageRead)
    async def read(db: object, events: object) -> None:
        """Receipts have their keys noted."""

    return router


def said(person: str, key: str) -> MessageReceived:
    return MessageReceived(
        adapter="fake",
        key=key,
        conversation=person,
        direct=True,
        occurred_at=START,
        sender=person,
        message_id=key,
        text="/記す",
    )


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    async with Harness(noting(), members=STAFF) as harness:
        yield harness


@pytest.mark.parametrize("fault", [faults.full, faults.read_only])
async def test_what_comes_while_nothing_can_be_written_waits_and_is_handled_after_the_mend(
    harness: Harness, fault: Fault
) -> None:
    async with fault(harness.database):
        for number in range(20):
            await harness.bot.take([said(f"p{number}", f"k{number}")])
        await harness.advance(timedelta(minutes=10))
        assert harness.sent == []
        assert harness.inbox.backlog == 20
        assert await harness.inbox.count_failed() == 0
    await harness.advance(timedelta(minutes=6))
    assert sorted(message.address.id for message in harness.sent) == sorted(f"p{number}" for number in range(20))
    assert harness.inbox.backlog == 0
    async with harness.database.snapshot() as db:
        kept = await db.scalars(select(departments.c.code).where(departments.c.name == MUCH))
        assert set(kept) == {f"k{number}" for number in range(20)}


async def test_a_lock_that_another_program_holds_uses_up_no_attempt(harness: Harness) -> None:
    async with harness.database.transaction() as db:
        await db.exec_driver_sql("PRAGMA busy_timeout = 20")
    with faults.locked(harness.database):
        await harness.bot.take([said("p1", "k1"), said("p1", "k2")])
        await harness.advance(timedelta(minutes=2))
        assert await harness.inbox.count_failed() == 0
        assert harness.sent == []
    await harness.advance(timedelta(minutes=6))
    assert [message.address.id for message in harness.sent] == ["p1", "p1"]


async def test_a_fault_of_the_handlers_own_is_still_given_up(harness: Harness) -> None:
    router = Router()

    @router.command("記す")
    async def fail(ctx: Context[MessageReceived]) -> None:
        raise ValueError("a mistake")

    async with Harness(router) as broken:
        await broken.bot.take([said("p1", "k1")])
        await broken.advance(timedelta(minutes=1))
        assert await broken.inbox.count_failed() == 1


async def test_readyz_says_that_nothing_can_be_written_and_why(harness: Harness) -> None:
    async with harness.serving() as url, aiohttp.ClientSession() as client:
        async with client.get(f"{url}/readyz") as answer:
            assert answer.status == 200
        async with faults.read_only(harness.database):
            harness.clock.advance(timedelta(seconds=10))
            async with client.get(f"{url}/readyz") as answer:
                assert answer.status == 503
                assert "database: not ready: attempt to write a readonly database" in await answer.text()
            async with client.get(f"{url}/healthz") as answer:
                assert answer.status == 200
        async with client.get(f"{url}/readyz") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_READONLY | 8 << 8, True),  # SQLITE_READONLY_DBMOVED
        (sqlite3.SQLITE_IOERR | 3 << 8, True),
        (sqlite3.SQLITE_BUSY | 2 << 8, True),
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_CANTOPEN, True),
        (sqlite3.SQLITE_CONSTRAINT, False),
        (sqlite3.SQLITE_ERROR, False),
        (sqlite3.SQLITE_TOOBIG, False),
    ],
)
def test_sqlites_result_codes_are_told_apart(code: int, counts: bool) -> None:
    cause = sqlite3.OperationalError("in the driver's words")
    cause.sqlite_errorcode = code
    assert (fault_in(OperationalError("SELECT 1", (), cause)) is not None) is counts
    wrapped = RuntimeError("in a handler")
    wrapped.__cause__ = OperationalError("SELECT 1", (), cause)
    assert (fault_in(ExceptionGroup("several", [wrapped])) is not None) is counts


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (asyncpg.exceptions.DiskFullError("full"), True),
        (asyncpg.exceptions.ReadOnlySQLTransactionError("read-only"), True),
        (asyncpg.exceptions.TooManyConnectionsError("too many"), True),
        (asyncpg.exceptions.DeadlockDetectedError("deadlock"), True),
        (asyncpg.exceptions.SerializationError("again"), True),
        (asyncpg.exceptions.LockNotAvailableError("locked"), True),
        (asyncpg.exceptions.AdminShutdownError("going down"), True),
        (asyncpg.exceptions.CannotConnectNowError("starting up"), True),
        (asyncpg.exceptions.QueryCanceledError("statement timeout"), True),
        (asyncpg.exceptions.InterfaceError("connection is closed"), True),
        (asyncpg.exceptions.UniqueViolationError("twice"), False),
        (asyncpg.exceptions.UndefinedColumnError("no such column"), False),
        (asyncpg.exceptions.DataError("invalid input"), False),
    ],
)
def test_postgresqls_states_are_told_apart(error: Exception, counts: bool) -> None:
    assert (fault_in(error) is not None) is counts
    assert (fault_in(DBAPIError("SELECT 1", (), error)) is not None) is counts


def test_what_a_handler_did_wrong_is_no_fault_of_the_database() -> None:
    for error in (
        ValueError("no"),
        ConnectionRefusedError(111, "a chat service"),
        IntegrityError("x", (), Exception()),
    ):
        assert fault_in(error) is None
    assert fault_in(OSError(28, "No space left on device")) == "No space left on device"


async def test_postgresql_that_is_read_only_makes_events_wait(tmp_path: Path) -> None:
    async with empty_database("postgresql", tmp_path) as database:
        clock = ManualClock(START)
        health = DatabaseHealth(database, clock)
        assert await health.look() is None
        async with faults.read_only_postgresql(database):
            reason = await health.look()
            assert reason is not None
            assert "25006" in reason
            assert await health.is_to_blame(ValueError("whatever was raised meanwhile"))
        clock.advance(timedelta(seconds=5))
        assert await health.waits() is None
        assert health.reason is None


@pytest.mark.parametrize("shared", [False, True])
async def test_a_commit_that_finds_no_room_leaves_no_connection_behind_that_cannot_be_used(
    tmp_path: Path, shared: bool
) -> None:
    async with empty_database("sqlite", tmp_path) as database:

        async def write(code: str) -> None:
            async with database.transaction(shared=shared) as db:
                await db.execute(insert(departments).values(code=code, name=MUCH))

        await write("before")
        with faults.full_at_the_commit(database):
            for number in range(3):
                with pytest.raises(OperationalError):
                    await write(f"refused{number}")
        for number in range(3):
            await write(f"after{number}")
        async with database.snapshot() as db:
            kept = await db.scalars(select(departments.c.code).order_by(departments.c.code))
            assert list(kept) == ["after0", "after1", "after2", "before"]
