"""The audit's head outside of the database: what somebody who owns the database cannot unsay."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.activity import Activity
from bot.audit.tables import audit_head, audit_log
from bot.clock import ManualClock, SystemClock
from bot.directory import Entry, save
from bot.storage import Database
from bot.tables import members
from broadcasts.tables import broadcasts
from tests.commands.conftest import Terminal

NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)


async def three_acts(db: AsyncConnection) -> None:
    for number in range(3):
        await audit.append(db, SystemClock(), actor="os:me", action="x", subject=f"thing:{number}")


async def begun_anew(db: AsyncConnection) -> None:
    """A chain of the same length that fits together, by somebody who owns the database."""
    for trigger in (await db.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))).all():
        await db.execute(text(f"DROP TRIGGER {trigger}"))
    await db.execute(delete(audit_log))
    await db.execute(delete(audit_head))
    await three_acts(db)


async def test_the_head_is_noted_daily_and_when_it_is_rung_and_once_where_nothing_changed(tmp_path: Path) -> None:
    file = tmp_path / "audit.heads"
    clock, activity = ManualClock(NOW), Activity()
    database = Database.open(f"sqlite+aiosqlite:///{tmp_path / 'a.sqlite3'}", durability="process")
    await database.create_tables()
    anchor = audit.Anchor(database, file, clock, activity)
    await anchor.start()
    try:
        for expected in (1, 2):
            async with database.transaction() as db:
                await three_acts(db)
                database.after_commit(db, anchor.ring)
            await activity.idle()
            anchor.ring()
            await activity.idle()
            assert len(file.read_text().splitlines()) == expected
    finally:
        await anchor.stop()
        await database.close()
    assert [head.count for head in audit.noted_in(file)] == [3, 6]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_chain_that_was_made_anew_is_found_by_the_anchor(
    kairanban: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "audit.heads"
    monkeypatch.setenv("KAIRANBAN_AUDIT__ANCHOR_FILE", str(file))
    kairanban.database(three_acts)
    file.write_text(f"2026-12-01T02:00:00+00:00 {kairanban.database(audit.head)}\nno head at all\n", encoding="utf-8")
    sound = kairanban("audit", "verify")
    assert (sound.code, "控え" in sound.out) == (0, True)
    kairanban.database(begun_anew)
    assert kairanban("audit", "verify").code == 1
    file.unlink()
    missing = kairanban("audit", "verify")
    assert (missing.code, "読めません" in missing.err) == (2, True)


def test_an_empty_chain_beside_notices_that_went_out_is_an_error(kairanban: Terminal) -> None:
    async def sent(db: AsyncConnection) -> None:
        await save(db, [Entry("000001", "青木 花子", "総務課")])
        [author] = await db.scalars(select(members.c.id))
        values = {"token": "t", "kind": "notice", "text": "x", "audience": "{}", "author_id": author, "state": "sent"}
        await db.execute(insert(broadcasts).values(**values, created_at=NOW, sent_at=NOW))

    kairanban.database(sent)
    found = kairanban("audit", "verify")
    assert (found.code, "記録がありません" in found.out) == (1, True)
