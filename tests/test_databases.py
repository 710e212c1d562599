"""The databases that tests are lent are as empty as new ones: what one test leaves behind no other finds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, Table, func, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import SystemClock
from bot.storage import metadata
from bot.tables import deliveries, messages
from bot.testing.blank import blank_database
from tests.databases import KINDS, Kind, empty_database

NOW = datetime(2023, 7, 3, tzinfo=UTC)


async def fill(db: AsyncConnection) -> int:
    """Rows that point at each other, and one that must never be deleted; the number of the first."""
    message = await db.execute(insert(messages).values(body="{}", created_at=NOW))
    assert message.inserted_primary_key is not None
    (number,) = message.inserted_primary_key
    common = {"adapter": "fake", "kind": "person", "priority": 1, "due_at": NOW, "created_at": NOW}
    await db.execute(insert(deliveries).values(key="k", message_id=number, address="a", **common))
    await audit.append(db, SystemClock(), actor="a", action="tested", subject="s")
    return int(number)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_test_finds_no_row_and_counts_from_one(kind: Kind, tmp_path: Path) -> None:
    for _ in range(2):
        async with empty_database(kind, tmp_path) as database:
            async with database.transaction() as db:
                assert await fill(db) == 1
            async with database.snapshot() as db:
                assert (await audit.verify(db)).ok
                assert await db.scalar(select(func.count()).select_from(audit.audit_log)) == 1


@pytest.mark.parametrize(
    "change", ["ALTER TABLE messages ADD COLUMN mood text", "DROP TRIGGER audit_log_append_only ON audit_log"]
)
async def test_a_postgresql_that_was_changed_is_lent_to_nobody_else(change: str, tmp_path: Path) -> None:
    async with empty_database("postgresql", tmp_path) as database, database.transaction() as db:
        await db.execute(text(change))
    for _ in range(2):
        async with empty_database("postgresql", tmp_path) as another:
            async with another.transaction() as db:
                await fill(db)
                columns = await db.run_sync(lambda sync: [one["name"] for one in inspect(sync).get_columns("messages")])
            assert "mood" not in columns
            with pytest.raises(Exception, match="append-only"):
                async with another.transaction() as db:
                    await db.execute(audit.audit_log.delete())


async def test_a_copy_has_the_tables_of_what_was_imported_meanwhile(tmp_path: Path) -> None:
    first = await blank_database(tmp_path / "first.sqlite3")
    late = Table("late", metadata, Column("id", Integer, primary_key=True))
    try:
        second = await blank_database(tmp_path / "second.sqlite3")
    finally:
        metadata.remove(late)
    tables = []
    for database in (first, second):
        async with database.snapshot() as db:
            tables.append(set(await db.run_sync(lambda sync: inspect(sync).get_table_names())))
        await database.close()
    assert tables[1] - tables[0] == {"late"}
