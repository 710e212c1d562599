"""The versions in `config/migrations/` lead to the tables that the code has, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.engine import Connection

import config.house  # every room's tables are loaded by whoever uses the house
from bot import audit
from bot.clock import TOKYO, SystemClock
from bot.errors import ConfigurationError
from bot.storage import Database, metadata
from bot.unreachable import standings
from broadcasts.drafting_tables import broadcast_approvals
from config import migrate
from tests.postgres import Postgres

assert config.house.__doc__


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database without a single table."""
    if request.param == "sqlite":
        opened = Database.open(f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite3'}", durability="process")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        opened = Database.open(await server.new_database())
    yield opened
    await opened.close()


def differences(connection: Connection) -> list[object]:
    found: list[object] = compare_metadata(MigrationContext.configure(connection), metadata)
    return found


async def test_the_versions_make_exactly_the_tables_of_the_code(empty: Database) -> None:
    await migrate.upgrade(empty)
    async with empty.snapshot() as db:
        assert await db.run_sync(differences) == []


async def test_a_second_start_changes_nothing(empty: Database) -> None:
    await migrate.upgrade(empty)
    await migrate.upgrade(empty)
    async with empty.snapshot() as db:
        assert await db.run_sync(differences) == []


async def test_the_audit_of_a_migrated_database_can_only_be_appended_to(empty: Database) -> None:
    await migrate.upgrade(empty)
    async with empty.transaction() as db:
        await audit.append(db, SystemClock(), actor="a", action="tested", subject="s")
    with pytest.raises(Exception, match="append-only"):
        async with empty.transaction() as db:
            await db.execute(text("UPDATE audit_log SET actor = 'b'"))


async def test_a_database_of_a_newer_version_is_left_alone(empty: Database) -> None:
    await migrate.upgrade(empty)
    async with empty.transaction() as db:
        await db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer Kairanban"):
        await migrate.upgrade(empty)


async def test_a_request_that_waited_before_there_was_a_second_one_gets_it(empty: Database) -> None:
    begun = datetime(2026, 11, 27, 9, tzinfo=TOKYO)
    moments = {"begun": round(begun.timestamp() * 10**6), "end": round(begun.timestamp() * 10**6) + 3 * 3600 * 10**6}
    columns = "broadcast_id, purpose, state, requested_by, requested_at, expires_at"
    async with empty.transaction() as db:
        await db.run_sync(lambda connection: command.upgrade(migrate.alembic_config(connection), "0003"))
        await db.execute(text("INSERT INTO departments (id, code, name) VALUES (1, 'd', '総務課')"))
        await db.execute(text("INSERT INTO members (id, code, name, department_id) VALUES (1, '001', '青木', 1)"))
        await db.execute(
            text(
                "INSERT INTO broadcasts (id, token, kind, text, audience, author_id, created_at)"
                " VALUES (1, 't', 'notice', '本文', '{}', 1, :begun)"
            ),
            {"begun": moments["begun"]},
        )
        for purpose, state in (("approval", "waiting"), ("approval", "returned"), ("review", "waiting")):
            values = f"VALUES (1, '{purpose}', '{state}', 1, :begun, :end)"
            await db.execute(text(f"INSERT INTO broadcast_approvals ({columns}) {values}"), moments)
    await migrate.upgrade(empty)
    async with empty.snapshot() as db:
        found = list(await db.scalars(select(broadcast_approvals.c.ask_again_at).order_by(broadcast_approvals.c.id)))
    assert found == [begun + timedelta(minutes=90), None, None]


async def test_what_was_put_aside_before_anybody_noted_why_is_listed_without_a_reason(empty: Database) -> None:
    async with empty.transaction() as db:
        await db.run_sync(lambda connection: command.upgrade(migrate.alembic_config(connection), "0001"))
        await db.execute(text("INSERT INTO departments (id, code, name) VALUES (1, 'd', '総務課')"))
        await db.execute(text("INSERT INTO members (id, code, name, department_id) VALUES (1, '001', '青木', 1)"))
        await db.execute(
            text("INSERT INTO addresses (member_id, adapter, address, reachable) VALUES (1, 'line', 'U1', false)")
        )
    await migrate.upgrade(empty)
    async with empty.snapshot() as db:
        [found] = await standings(db)
    assert (found.reachable, found.since, found.reason) == (False, None, None)
