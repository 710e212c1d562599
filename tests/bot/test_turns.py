"""Many who write at once: turns in the order of asking, one commit for those who share, nobody's mistake another's."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.prepared import QuickConnection
from bot.storage import Database
from bot.tables import messages

NOON = datetime(2023, 9, 1, 3, 0, tzinfo=UTC)
_WRITE = insert(messages)


@asynccontextmanager
async def opened(folder: Path | str, *, on_loop: bool = False) -> AsyncIterator[Database]:
    database = Database.open(
        f"sqlite+aiosqlite:///{Path(folder) / 'test.sqlite3'}", durability="process", on_loop=on_loop
    )
    await database.create_tables()
    yield database
    await database.close()


@pytest.fixture(params=["a thread", "the loop"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(tmp_path, on_loop=request.param == "the loop") as database:
        yield database


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with every commit."""
    seen: list[str] = []
    real = QuickConnection.commit

    async def commit(self: QuickConnection) -> None:
        await real(self)
        seen.append("commit")

    monkeypatch.setattr(QuickConnection, "commit", commit)
    return seen


async def write(db: AsyncConnection, body: str) -> None:
    await db.execute(_WRITE, {"body": body, "created_at": NOON})


async def kept(database: Database) -> list[str]:
    async with database.snapshot() as db:
        return list(await db.scalars(select(messages.c.body).order_by(messages.c.id)))


async def share(database: Database, body: str, then: Callable[[], Awaitable[object]] | None = None) -> None:
    async with database.transaction(shared=True) as db:
        await write(db, body)
        if then is not None:
            await then()


async def fail() -> None:
    raise RuntimeError("in the block")


async def test_those_who_share_have_one_commit_and_wait_for_it(database: Database, commits: list[str]) -> None:
    told: list[str] = []

    async def one(number: int) -> None:
        async with database.transaction(shared=True) as db:
            await write(db, str(number))
            database.after_commit(db, lambda: told.append(f"{number} after {len(commits)}"))
        assert str(number) in await kept(database)

    await asyncio.gather(*(one(number) for number in range(10)))
    assert await kept(database) == [str(number) for number in range(10)]
    assert commits == ["commit"]
    assert told == [f"{number} after 1" for number in range(10)]


async def test_one_who_comes_when_nobody_waits_is_committed_at_once(database: Database, commits: list[str]) -> None:
    await share(database, "a")
    await share(database, "b")
    assert commits == ["commit", "commit"]


async def test_a_block_that_raises_takes_only_its_own_part_with_it(database: Database) -> None:
    outcomes = await asyncio.gather(
        share(database, "a"), share(database, "b", fail), share(database, "c"), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), RuntimeError, type(None)]
    assert await kept(database) == ["a", "c"]


async def test_who_wants_to_be_alone_does_not_wait_for_a_group_to_grow(database: Database, commits: list[str]) -> None:
    async def alone() -> None:
        async with database.transaction() as db:
            assert len(commits) == 1
            await write(db, "alone")

    await asyncio.gather(share(database, "a"), alone(), share(database, "b"))
    assert await kept(database) == ["a", "alone", "b"]
    assert commits == ["commit"] * 3


async def test_what_a_block_takes_back_is_its_own(database: Database) -> None:
    async def second_thoughts() -> None:
        called: list[str] = []
        async with database.transaction(shared=True) as db:
            await database.roll_back(db)  # nothing yet
            await write(db, "regretted")
            database.after_commit(db, lambda: called.append("regretted"))
            await database.roll_back(db)
            await write(db, "instead")
        assert called == []

    await asyncio.gather(share(database, "a"), second_thoughts(), share(database, "b"))
    assert await kept(database) == ["a", "instead", "b"]


async def test_a_commit_that_fails_fails_for_all_who_share_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(self: QuickConnection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(QuickConnection, "commit", full)
        outcomes = await asyncio.gather(share(database, "a"), share(database, "b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [sqlite3.OperationalError] * 2
    await share(database, "later")
    assert await kept(database) == ["later"]


async def test_when_the_database_undoes_a_whole_group_nobody_in_it_believes_to_be_done(database: Database) -> None:
    async def undone() -> None:
        """As SQLite itself does when the disk is full in the middle of a statement."""
        async with database.transaction(shared=True) as db:
            await write(db, "b")
            assert isinstance(db, QuickConnection)
            driver: Any = await db._driver_connection()
            await driver._execute(driver._conn.execute, "ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

    outcomes = await asyncio.gather(share(database, "a"), undone(), share(database, "c"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [sqlite3.OperationalError] * 2 + [type(None)]
    await share(database, "later")
    assert await kept(database) == ["c", "later"]


async def test_a_block_that_is_cancelled_leaves_the_others_and_the_turn_goes_on(database: Database) -> None:
    entered, never = asyncio.Event(), asyncio.Event()

    async def stuck() -> None:
        entered.set()
        await never.wait()

    first = asyncio.create_task(share(database, "a", stuck))
    await entered.wait()
    others = [asyncio.create_task(share(database, body)) for body in "bcd"]
    await asyncio.sleep(0)
    others[1].cancel()  # waits for its turn
    first.cancel()  # has it
    outcomes = await asyncio.gather(first, *others, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [True, False, True, False]
    assert await kept(database) == ["b", "d"]


Act = Literal["share", "fail", "take back", "alone", "fail alone", "cancel"]
_ACTS: tuple[Act, ...] = ("share", "fail", "take back", "alone", "fail alone", "cancel")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_ACTS), st.integers(0, 3)), max_size=12), st.booleans())
async def test_whoever_is_told_that_it_is_done_is_in_the_database_and_nobody_else(
    acts: list[tuple[Act, int]], on_loop: bool
) -> None:
    async def act(database: Database, number: int, what: Act, rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)
        async with database.transaction(shared=not what.endswith("alone")) as db:
            await write(db, str(number))
            if what == "take back":
                await database.roll_back(db)
            await asyncio.sleep(0)
            if what.startswith("fail"):
                raise RuntimeError(what)

    with TemporaryDirectory() as folder:
        async with opened(folder, on_loop=on_loop) as database:
            tasks = [asyncio.create_task(act(database, number, *each)) for number, each in enumerate(acts)]
            for task, (what, rounds) in zip(tasks, acts, strict=True):
                if what == "cancel":
                    for _ in range(rounds * 3):
                        await asyncio.sleep(0)
                    task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(asyncio.CancelledError):
                await share(database, "last")
            found = await kept(database)
    told = {
        str(number) for number, outcome in enumerate(outcomes) if outcome is None and acts[number][0] != "take back"
    }
    unsure = {str(number) for number, each in enumerate(acts) if each[0] == "cancel"}  # perhaps while it was committed
    assert len(found) == len(set(found))
    assert told | {"last"} <= set(found) <= told | unsure | {"last"}


@pytest.mark.parametrize("rounds", range(12))
async def test_who_is_cancelled_in_the_middle_of_a_statement_takes_nobody_down_unawares(
    database: Database, rounds: int
) -> None:
    async def slow() -> None:
        rows = [{"body": f"many {number}", "created_at": NOON} for number in range(2_000)]
        async with database.transaction(shared=True) as db:
            await db.execute(insert(messages), rows)  # SQLAlchemy's way; a cancellation closes the connection

    first, cancelled, last = (
        asyncio.create_task(each) for each in (share(database, "a"), slow(), share(database, "z"))
    )
    for _ in range(rounds):
        await asyncio.sleep(0)
    cancelled.cancel()
    outcomes = await asyncio.gather(first, cancelled, last, return_exceptions=True)
    assert outcomes[1] is None or isinstance(outcomes[1], asyncio.CancelledError)
    await share(database, "later")
    found = await kept(database)
    assert ("a" in found) == (outcomes[0] is None)
    assert ("z" in found) == (outcomes[2] is None)
    assert found[-1] == "later"
    many = sum(body.startswith("many") for body in found)
    assert many == 2_000 or (many == 0 and outcomes[1] is not None)  # it may be cancelled while it waits for the commit
