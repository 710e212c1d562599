"""The audit's chain: what is appended stays, and whoever tampers with it is found."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.audit import GENESIS, Finding, Head, audit_head, audit_log
from bot.audit.chain import digest
from bot.clock import TOKYO, ManualClock
from bot.storage import Database, UtcDateTime
from tests.databases import empty_database

LENGTH = 9


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2023, 9, 1, 2, 10, tzinfo=TOKYO))


@pytest.fixture
async def chain(database: Database, clock: ManualClock) -> Database:
    """A database with a chain of `LENGTH` rows."""
    for number in range(LENGTH):
        async with database.transaction() as db:
            await audit.append(
                db,
                clock,
                actor=f"{number:04}",
                action="broadcast.sent",
                subject=f"broadcast:{number}",
                details={"recipients": number * 100, "kind": "訓練"},
            )
        clock.advance(timedelta(minutes=1))
    return database


async def disarm(db: AsyncConnection) -> None:
    """Do what somebody who owns the database can do: drop the triggers."""
    if db.dialect.name == "sqlite":
        for name in ("update", "delete", "replace"):
            await db.execute(text(f"DROP TRIGGER audit_log_no_{name}"))
    else:
        await db.execute(text("DROP TRIGGER audit_log_append_only ON audit_log"))


async def raw(db: AsyncConnection, seq: int) -> dict[str, Any]:
    return dict((await db.execute(select(audit_log).where(audit_log.c.seq == seq))).one()._mapping)


async def reseal(db: AsyncConnection, seq: int) -> None:
    """Give a row the hash that its columns ask for, as a careful forger would."""
    row = await raw(db, seq)
    row["at"] = (await db.execute(text("SELECT at FROM audit_log WHERE seq = :seq"), {"seq": seq})).scalar_one()
    row.pop("hash")
    await db.execute(update(audit_log).where(audit_log.c.seq == seq).values(hash=digest(*row.values())))


async def renumber(db: AsyncConnection, seq: int, to: int) -> None:
    await db.execute(update(audit_log).where(audit_log.c.seq == seq).values(seq=to))


# ------------------------------------------------------------- tamperings


@dataclass(frozen=True)
class Change:
    column: str
    value: str | int
    row: int
    careful: bool

    async def apply(self, db: AsyncConnection) -> set[int]:
        before = (await raw(db, self.row))[self.column]
        value = f"{before}{self.value}" if isinstance(before, str) else before + timedelta(microseconds=1)
        await db.execute(update(audit_log).where(audit_log.c.seq == self.row).values({self.column: value}))
        if self.careful and self.column != "hash":
            await reseal(db, self.row)
        return {self.row}


@dataclass(frozen=True)
class Renumber:
    row: int
    to: int

    async def apply(self, db: AsyncConnection) -> set[int]:
        await renumber(db, self.row, self.to)
        return {self.row, self.to}


@dataclass(frozen=True)
class Remove:
    row: int
    close_gap: bool

    async def apply(self, db: AsyncConnection) -> set[int]:
        await db.execute(delete(audit_log).where(audit_log.c.seq == self.row))
        if self.close_gap:
            for seq in range(self.row + 1, LENGTH + 1):
                await renumber(db, seq, seq - 1)
        return {self.row}


@dataclass(frozen=True)
class Forge:
    place: int
    careful: bool

    async def apply(self, db: AsyncConnection) -> set[int]:
        for seq in range(LENGTH, self.place - 1, -1):
            await renumber(db, seq, seq + 1)
        model = await raw(db, self.place + 1 if self.place <= LENGTH else LENGTH)
        previous = GENESIS if self.place == 1 else (await raw(db, self.place - 1))["hash"]
        await db.execute(
            insert(audit_log).values({**model, "seq": self.place, "previous_hash": previous, "actor": "x"})
        )
        if self.careful:
            await reseal(db, self.place)
        return {self.place}


@dataclass(frozen=True)
class Swap:
    one: int
    other: int

    async def apply(self, db: AsyncConnection) -> set[int]:
        await renumber(db, self.one, -1)
        await renumber(db, self.other, self.one)
        await renumber(db, -1, self.other)
        return {self.one, self.other}


@dataclass(frozen=True)
class Behead:
    values: dict[str, Any] | None

    async def apply(self, db: AsyncConnection) -> set[int]:
        await db.execute(delete(audit_head) if self.values is None else update(audit_head).values(self.values))
        return {LENGTH}


rows = st.integers(1, LENGTH)
tamperings = st.one_of(
    st.builds(
        Change,
        st.sampled_from(["at", "actor", "action", "subject", "details", "previous_hash", "hash"]),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
        rows,
        st.booleans(),
    ),
    st.builds(Renumber, rows, st.one_of(st.integers(-5, 0), st.integers(LENGTH + 1, 10**12))),
    st.builds(Remove, rows, st.booleans()),
    st.builds(Forge, st.integers(1, LENGTH + 1), st.booleans()),
    st.lists(rows, min_size=2, max_size=2, unique=True).map(lambda pair: Swap(*pair)),
    st.builds(
        Behead,
        st.one_of(
            st.none(),
            st.integers(0, 50).filter(lambda count: count != LENGTH).map(lambda count: {"count": count}),
            st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda value: {"hash": value}),
        ),
    ),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(tampering=tamperings)
async def test_any_single_tampering_is_found_where_it_happened(
    chain: Database, tampering: Change | Renumber | Remove | Forge | Swap | Behead
) -> None:
    async with chain.engine.connect() as db:
        await disarm(db)
        touched = await tampering.apply(db)
        found = await audit.verify(db)
        await db.rollback()
    assert not found.ok
    assert any(finding.first - 1 <= row <= finding.last + 1 for finding in found.findings for row in touched), found
    async with chain.snapshot() as db:
        assert (await audit.verify(db)).ok


@pytest.mark.parametrize(
    ("tampering", "findings"),
    [
        (Change("actor", "x", 4, careful=False), [Finding("changed", 4, 4)]),
        (Change("actor", "x", 4, careful=True), [Finding("unlinked", 5, 5)]),
        (Change("actor", "x", LENGTH, careful=True), [Finding("head", LENGTH, LENGTH)]),
        (Remove(4, close_gap=False), [Finding("missing", 4, 4)]),
        (Remove(1, close_gap=False), [Finding("missing", 1, 1)]),
        (Remove(LENGTH, close_gap=False), [Finding("missing", LENGTH, LENGTH)]),
        (
            Remove(4, close_gap=True),
            [Finding("moved", 4, LENGTH - 1), Finding("unlinked", 4, 4), Finding("missing", LENGTH, LENGTH)],
        ),
        (Forge(4, careful=True), [Finding("moved", 5, LENGTH + 1), Finding("inserted", 4, 4)]),
        (Forge(LENGTH + 1, careful=True), [Finding("inserted", LENGTH + 1, LENGTH + 1)]),
        (Swap(4, 6), [Finding("moved", 4, 4), Finding("unlinked", 4, 7), Finding("moved", 6, 6)]),
        (Behead(None), [Finding("head", LENGTH, LENGTH)]),
        (Behead({"count": LENGTH - 2}), [Finding("inserted", LENGTH - 1, LENGTH)]),
    ],
)
async def test_the_finding_says_what_was_done_to_which_row(
    chain: Database, tampering: Change | Remove | Forge | Swap | Behead, findings: list[Finding]
) -> None:
    async with chain.engine.connect() as db:
        await disarm(db)
        await tampering.apply(db)
        found = list((await audit.verify(db)).findings)
    ends_differently = [Finding("inserted", LENGTH + 1, LENGTH + 1)] if tampering == Forge(4, careful=True) else []
    assert found == findings + ends_differently


async def test_a_chain_that_nobody_touched_is_in_order(chain: Database) -> None:
    async with chain.snapshot() as db:
        found = await audit.verify(db)
        assert found.ok
        assert found.count == LENGTH
        assert found.head == await audit.head(db)


async def test_an_empty_audit_is_in_order_and_has_no_head(database: Database) -> None:
    async with database.snapshot() as db:
        assert await audit.head(db) is None
        assert (await audit.verify(db)).ok


async def test_what_is_appended_during_the_walk_is_no_finding(
    chain: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def head_after_another_row(db: AsyncConnection) -> Head | None:
        async with chain.transaction() as other:
            await audit.append(other, clock, actor="1", action="a", subject="s")
        return await audit.head(db)

    monkeypatch.setattr("bot.audit.verification.head", head_after_another_row)
    async with chain.snapshot() as db:
        found = await audit.verify(db)
    assert (found.findings, found.count) == ((), LENGTH)


async def test_what_is_rolled_back_leaves_neither_row_nor_head(chain: Database, clock: ManualClock) -> None:
    async def fail() -> None:
        async with chain.transaction() as db:
            await audit.append(db, clock, actor="1", action="a", subject="s")
            raise RuntimeError("the broadcast could not be saved")

    with pytest.raises(RuntimeError):
        await fail()
    async with chain.snapshot() as db:
        assert (await audit.verify(db)).head.count == LENGTH
        assert (await audit.verify(db)).ok


async def test_many_who_append_at_once_make_one_chain(database: Database, clock: ManualClock) -> None:
    async def one(number: int) -> None:
        async with database.transaction() as db:
            await audit.append(db, clock, actor=str(number), action="broadcast.refused", subject="broadcast:1")

    await asyncio.gather(*(one(number) for number in range(30)))
    async with database.snapshot() as db:
        found = await audit.verify(db)
        assert (found.ok, found.count) == (True, 30)
        assert len(set((await db.scalars(select(audit_log.c.actor))).all())) == 30


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'x' WHERE seq = 3",
        "DELETE FROM audit_log WHERE seq = 3",
    ],
)
async def test_the_database_itself_refuses_to_change_what_is_written(chain: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        async with chain.transaction() as db:
            await db.execute(text(statement))


async def test_replacing_and_truncating_are_refused_too(chain: Database) -> None:
    statement = (
        "INSERT OR REPLACE INTO audit_log SELECT seq, at, 'x', action, subject, details, previous_hash, hash "
        "FROM audit_log WHERE seq = 3"
        if chain.is_sqlite
        else "TRUNCATE audit_log"
    )
    with pytest.raises(DBAPIError, match="append-only"):
        async with chain.transaction() as db:
            await db.execute(text(statement))


async def test_a_chain_rebuilt_from_end_to_end_is_found_by_a_head_that_was_written_down(
    chain: Database, clock: ManualClock
) -> None:
    async with chain.snapshot() as db:
        noted = Head.parse(f" {await audit.head(db)}\n")
    async with chain.transaction() as db:
        await disarm(db)
        await db.execute(delete(audit_log))
        await db.execute(delete(audit_head))
        for _ in range(LENGTH + 2):
            await audit.append(db, clock, actor="forger", action="nothing.happened", subject="")
        assert (await audit.verify(db)).ok
        assert (await audit.verify(db, noted)).findings == (Finding("head", LENGTH, LENGTH),)
        await db.execute(delete(audit_log))
        await db.execute(delete(audit_head))
        assert (await audit.verify(db, noted)).findings == (Finding("missing", 1, LENGTH),)


async def test_a_noted_head_agrees_with_a_chain_that_grew_since(chain: Database, clock: ManualClock) -> None:
    async with chain.transaction() as db:
        noted = await audit.append(db, clock, actor="1", action="a", subject="s")
        await audit.append(db, clock, actor="1", action="a", subject="s")
        assert (await audit.verify(db, noted)).ok


@pytest.mark.parametrize("noted", ["", "12", "12:abc", "x:" + "0" * 64, "-1:" + "0" * 64, "１２:" + "0" * 64])
def test_a_noted_head_that_is_none_is_refused_with_an_example(noted: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        Head.parse(noted)


async def test_work_goes_on_when_the_head_is_lost_and_the_loss_is_in_the_chain(
    chain: Database, clock: ManualClock
) -> None:
    async with chain.transaction() as db:
        await db.execute(delete(audit_head))
        after = await audit.append(db, clock, actor="1", action="broadcast.sent", subject="broadcast:1")
        assert after.count == LENGTH + 2
        assert (await raw(db, LENGTH + 1))["action"] == "audit.head_lost"
        assert (await audit.verify(db)).ok


async def test_whatever_was_typed_can_be_recorded(database: Database, clock: ManualClock) -> None:
    nasty = "\0 \ud800 髙① \u2028 '; DROP TABLE members; --"
    async with database.transaction() as db:
        await audit.append(db, clock, actor=nasty, action=nasty, subject=nasty, details={nasty: [nasty, None, 1.5]})
        assert (await audit.verify(db)).ok


@pytest.mark.parametrize("details", [{"when": datetime(2023, 9, 1, tzinfo=TOKYO)}, {"share": float("nan")}])
async def test_details_that_are_no_json_are_refused_before_anything_is_written(
    database: Database, clock: ManualClock, details: dict[str, Any]
) -> None:
    async with database.transaction() as db:
        with pytest.raises((TypeError, ValueError)):
            await audit.append(db, clock, actor="1", action="a", subject="s", details=details)
        assert await db.scalar(select(func.count()).select_from(audit_log)) == 0


@pytest.mark.parametrize("value", [b"\x00\xff", 1.5, "no moment"])
async def test_values_of_another_kind_in_sqlite_do_not_stop_the_walk(
    tmp_path: Path, clock: ManualClock, value: object
) -> None:
    async with empty_database("sqlite", tmp_path) as database, database.transaction() as db:
        await audit.append(db, clock, actor="1", action="a", subject="s")
        await disarm(db)
        await db.execute(text("UPDATE audit_log SET at = :value"), {"value": value})
        assert (await audit.verify(db)).findings == (Finding("changed", 1, 1),)


async def write_many(db: AsyncConnection, count: int) -> None:
    before = GENESIS
    batch: list[dict[str, Any]] = []
    for seq in range(1, count + 1):
        at = datetime(2023, 9, 1, tzinfo=UTC) + timedelta(seconds=seq)
        texts = ("0001", "broadcast.sent", f"broadcast:{seq}", '{"recipients":225}')
        sealed = digest(seq, UtcDateTime().process_bind_param(at, db.dialect), *texts, before)
        batch.append(dict(zip(audit_log.columns.keys(), (seq, at, *texts, before, sealed), strict=True)))
        before = sealed
        if len(batch) == 1000:
            await db.execute(insert(audit_log), batch)
            batch.clear()
    await db.execute(insert(audit_head).values(id=1, count=count, hash=before))


async def peak_of_a_walk(folder: Path, rows: int) -> int:
    """The bytes that Python held at most while it verified a chain of this many rows."""
    async with empty_database("sqlite", folder) as database:
        async with database.transaction() as db:
            await write_many(db, rows)
        async with database.snapshot() as db:
            tracemalloc.start()
            found = await audit.verify(db)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert (found.ok, found.count) == (True, rows)
    return peak


def test_a_long_chain_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    # In a process of its own: what measures coverage keeps something for every row and would be measured too.
    program = "import asyncio, pathlib, sys; from tests.test_audit import peak_of_a_walk as peak"
    program += "; print(asyncio.run(peak(pathlib.Path(sys.argv[1]), int(sys.argv[2]))))"

    def peak(rows: int) -> int:
        folder = tmp_path / str(rows)
        folder.mkdir()
        command = [sys.executable, "-c", program, str(folder), str(rows)]
        done = subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parent.parent, env={})
        return int(done.stdout)

    assert peak(16_000) < 1.5 * peak(4000)


async def test_the_walk_stops_at_a_hundred_findings(tmp_path: Path) -> None:
    async with empty_database("sqlite", tmp_path) as database, database.transaction() as db:
        await write_many(db, 1000)
        await disarm(db)
        await db.execute(text("DELETE FROM audit_log WHERE seq % 3 = 0"))
        found = await audit.verify(db)
    assert len(found.findings) == 100
    assert found.count < 1000
