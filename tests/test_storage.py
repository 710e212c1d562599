"""What the main database promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, literal, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import Database, UtcDateTime
from bot.tables import departments as department_table
from bot.tables import handled_events, members, messages
from tests.databases import empty_database

NOON = datetime(2023, 9, 1, 3, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "sqlite on the loop", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with all tables: both of them, and SQLite also without its thread, as in a rehearsal."""
    if request.param == "sqlite on the loop":
        url = f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}"
        opened = Database.open(url, durability="process", on_loop=True)
        await opened.create_tables()
        yield opened
        await opened.close()
    else:
        async with empty_database(request.param, tmp_path) as opened:
            yield opened


async def test_what_is_committed_is_there_and_what_raised_is_not(database: Database) -> None:
    async with database.transaction() as db:
        await db.execute(insert(messages).values(body="kept", created_at=NOON))
    with pytest.raises(RuntimeError, match="half way"):
        async with database.transaction() as db:
            await db.execute(insert(messages).values(body="lost", created_at=NOON))
            raise RuntimeError("half way")
    async with database.snapshot() as db:
        assert list(await db.scalars(select(messages.c.body))) == ["kept"]


async def test_read_then_write_of_many_tasks_loses_no_update(database: Database) -> None:
    async with database.transaction() as db:
        await db.execute(insert(department_table).values(id=1, code="d", name="d", position=0))

    async def add_one() -> None:
        async with database.transaction() as db:
            row = department_table.c.position
            now = (await db.execute(select(row).where(department_table.c.id == 1).with_for_update())).scalar_one()
            await db.execute(update(department_table).where(department_table.c.id == 1).values(position=now + 1))

    await asyncio.gather(*(add_one() for _ in range(100)))
    async with database.snapshot() as db:
        assert await db.scalar(select(department_table.c.position)) == 100


async def test_a_snapshot_does_not_show_what_is_written_meanwhile(database: Database) -> None:
    async with database.snapshot() as db:
        assert await db.scalar(select(func.count()).select_from(messages)) == 0
        async with database.transaction() as other:
            await other.execute(insert(messages).values(body="later", created_at=NOON))
        assert await db.scalar(select(func.count()).select_from(messages)) == 0
    async with database.snapshot() as db:
        assert await db.scalar(select(func.count()).select_from(messages)) == 1


async def _write(db: AsyncConnection, *bodies: str) -> None:
    """One by one by a statement that comes again, which SQLite gets by the short way, or all at once by the long."""
    if len(bodies) == 1:
        await db.execute(_INSERT, {"body": bodies[0], "created_at": NOON})
    else:
        await db.execute(insert(messages), [{"body": body, "created_at": NOON} for body in bodies])


_INSERT = insert(messages)


@pytest.mark.parametrize("before", [(), ("a",), ("a", "b")], ids=["first", "after one", "after several"])
@pytest.mark.parametrize("inside", [(), ("x",), ("x", "y")], ids=["nothing", "one", "several"])
@pytest.mark.parametrize("raises", [False, True], ids=["succeeds", "raises"])
async def test_a_part_of_a_transaction_is_undone_by_itself(
    database: Database, before: tuple[str, ...], inside: tuple[str, ...], raises: bool
) -> None:
    for _ in range(2):  # the second time, statements are prepared
        async with database.transaction() as db:
            if before:
                await _write(db, *before)
            with suppress(RuntimeError):
                async with db.begin_nested():
                    if inside:
                        await _write(db, *inside)
                    if raises:
                        raise RuntimeError("inside")
            await _write(db, "after")
    async with database.snapshot() as db:
        kept = list(await db.scalars(select(messages.c.body).order_by(messages.c.id)))
    assert kept == [*before, *(() if raises else inside), "after"] * 2


async def test_parts_within_parts_are_undone_one_by_one(database: Database) -> None:
    async with database.transaction() as db:
        async with db.begin_nested():
            await _write(db, "outer")
            with pytest.raises(RuntimeError):
                async with db.begin_nested():
                    await _write(db, "inner")
                    async with db.begin_nested():
                        await _write(db, "innermost")
                    raise RuntimeError
        with pytest.raises(IntegrityError):
            async with db.begin_nested():
                await _write(db, "beside")
                await db.execute(_INSERT, {"id": 1, "body": "the same number twice", "created_at": NOON})
        async with db.begin_nested():
            await _write(db, "last")
    async with database.snapshot() as db:
        assert list(await db.scalars(select(messages.c.body).order_by(messages.c.id))) == ["outer", "last"]


async def test_a_transaction_that_raises_in_a_part_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as db, db.begin_nested():
            await _write(db, "lost")
            raise RuntimeError
    async with database.transaction() as db:
        async with db.begin_nested():
            pass
        await _write(db, "kept")
    async with database.snapshot() as db:
        assert list(await db.scalars(select(messages.c.body))) == ["kept"]


async def test_after_commit_is_called_after_the_commit_and_not_after_a_rollback(database: Database) -> None:
    called: list[str] = []
    async with database.transaction() as db:
        database.after_commit(db, lambda: called.append("committed"))
        assert called == []
    with pytest.raises(RuntimeError):
        async with database.transaction() as db:
            database.after_commit(db, lambda: called.append("never"))
            raise RuntimeError
    assert called == ["committed"]


async def test_a_moment_comes_back_as_it_went_in(database: Database) -> None:
    moment = datetime(2023, 10, 14, 17, 10, 59, 123456, tzinfo=UTC)
    async with database.transaction() as db:
        await db.execute(insert(handled_events).values(adapter="a", key="k", handled_at=moment))
    async with database.snapshot() as db:
        assert await db.scalar(select(handled_events.c.handled_at)) == moment


async def test_an_error_does_not_repeat_what_people_said(database: Database) -> None:
    statement = insert(messages)
    for _ in range(3):  # as SQLAlchemy does it, and as what comes again is done
        with pytest.raises(DBAPIError) as error:
            async with database.transaction() as db:
                await db.execute(statement, {"id": 1, "body": "血圧が高いです", "created_at": None})
        assert "血圧" not in str(error.value)


async def test_a_foreign_key_to_nobody_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        async with database.transaction() as db:
            await db.execute(insert(members).values(code="1", name="n", department_id=99))
    async with database.snapshot() as db:
        assert await db.scalar(select(func.count()).select_from(members)) == 0


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_every_moment_survives_its_storage_form(moment: datetime) -> None:
    kind, dialect = UtcDateTime(), sqlite.dialect()
    stored = kind.process_bind_param(moment, dialect)
    assert kind.process_result_value(stored, dialect) == moment


def test_a_naive_moment_cannot_be_stored() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(datetime(2023, 7, 1), sqlite.dialect())  # noqa: DTZ001 - the mistake itself


@pytest.mark.parametrize("times", [1, 3])
async def test_rows_that_a_statement_beginning_with_with_adds_are_counted(database: Database, times: int) -> None:
    # An audience of departments is such a statement; the driver counts -1 for it, and so once said the bot.
    bodies = select(messages.c.body).cte("bodies")
    doubled = insert(messages).from_select(["body", "created_at"], select(bodies.c.body, literal(NOON, UtcDateTime)))
    async with database.transaction() as db:
        await db.execute(insert(messages), [{"body": "one", "created_at": NOON}, {"body": "two", "created_at": NOON}])
        counts = [(await db.execute(doubled)).rowcount for _ in range(times)]  # from the second on, prepared
    assert counts == [2, 4, 8][:times]


async def test_whoever_is_cancelled_while_a_transaction_begins_is_cancelled_and_nobody_else_suffers(
    tmp_path: Path,
) -> None:
    database = Database.open(f"sqlite+aiosqlite:///{tmp_path / 'test.sqlite3'}", durability="process")
    await database.create_tables()
    glance = select(members.c.id).limit(1)
    begun = asyncio.Event()

    async def look() -> None:
        async with database.snapshot() as db:
            begun.set()
            await db.execute(text("SELECT 1"))

    async with database.snapshot() as db:
        for _ in range(3):  # what comes again goes straight to the driver
            await db.scalar(glance)
    looking = asyncio.create_task(look())
    await begun.wait()
    await asyncio.sleep(0)  # it stands in the BEGIN now
    looking.cancel()
    [outcome] = await asyncio.gather(looking, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    async with database.snapshot() as db:
        assert await db.scalar(select(func.count()).select_from(members)) == 0
    await database.close()
