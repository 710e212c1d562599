"""What an evaluation asks about people: which groups they belong to, when they did something, what went wrong.

Activity is not written down for its own sake: that would be one more write for every event. It is derived from what is
on record anyway (a notice that was read, an answer, a report of a problem): rooms hand in statements of
`(member_id, at)`, and `active` counts the people in them. What the bot never sees, such as talk between colleagues, is
the chat service's to count, and comes in as snapshots of its statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    CompoundSelect,
    ForeignKey,
    Select,
    Table,
    Text,
    and_,
    case,
    column,
    distinct,
    func,
    literal,
    null,
    select,
    values,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import UtcDateTime, metadata
from bot.tables import BigId, addresses, deliveries, departments, members

EVERYBODY = "everybody"
"""The trait that all people share: one group, whose label is empty."""
DEPARTMENT = "department"
"""The trait that the directory knows by itself; all others stand in `member_traits`."""
REHEARSAL = "rehearsal"
"""Source of snapshots that a rehearsal took: whatever else is in such a database is simulated, too."""

member_traits = Table(
    "member_traits",
    metadata,
    Column("member_id", ForeignKey("members.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("trait", Text, primary_key=True),  # age, skill, device, employment
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

usage_snapshots = Table(
    "usage_snapshots",
    metadata,
    Column("at", UtcDateTime, primary_key=True, autoincrement=False),
    Column("source", Text, primary_key=True),  # rehearsal, or the name of the service whose statistics these are
    Column("key", Text, primary_key=True),  # users, rooms, largest_room, pairs, messages, files, active:2023-07
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

problem_reports = Table(
    "problem_reports",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("member_id", ForeignKey("members.id"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("text", Text, nullable=False),
    Column("closed_at", UtcDateTime),  # NULL: somebody still has to see to it
)

problem_answers = Table(
    "problem_answers",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("problem_id", ForeignKey("problem_reports.id"), nullable=False, index=True),
    Column("actor", Text, nullable=False),  # the staff number of who answered, or the account on the server
    Column("at", UtcDateTime, nullable=False),
    Column("text", Text, nullable=False),  # empty: closed without a word
)

Acts = Select[Any] | CompoundSelect[Any]
"""A statement with the columns `member_id` and `at`: somebody did something the bot saw."""


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time with a name; `ends` no longer belongs to it."""

    key: str
    starts: datetime
    ends: datetime


# ------------------------------------------------------------------ writing


async def note_traits(db: AsyncConnection, trait: str, by_code: Mapping[str, str]) -> int:
    """Note a trait of members by staff number, in place of what was noted; how many are known. Blank values are none.

    Staff numbers that the directory does not know are passed over.
    """
    rows = await db.execute(select(members.c.id, members.c.code))
    found = [
        {"member_id": member_id, "trait": trait, "value": by_code[code]}
        for member_id, code in rows
        if by_code.get(code)
    ]
    if found:
        store = _insert(db, member_traits)
        await db.execute(
            store.on_conflict_do_update(
                index_elements=[member_traits.c.member_id, member_traits.c.trait],
                set_={"value": store.excluded.value},
            ),
            found,
        )
    return len(found)


async def note_snapshot(db: AsyncConnection, at: datetime, source: str, counts: Mapping[str, int]) -> None:
    """Note what a service counted at a moment; the same moment again replaces it."""
    if not counts:
        return
    store = _insert(db, usage_snapshots)
    await db.execute(
        store.on_conflict_do_update(
            index_elements=[usage_snapshots.c.at, usage_snapshots.c.source, usage_snapshots.c.key],
            set_={"value": store.excluded.value},
        ),
        [{"at": at, "source": source, "key": key, "value": value} for key, value in counts.items()],
    )


async def report_problem(db: AsyncConnection, member_id: int, at: datetime, text: str) -> int:
    """Keep what somebody says is wrong; its number."""
    stored = await db.execute(problem_reports.insert().values(member_id=member_id, at=at, text=text))
    assert stored.inserted_primary_key is not None
    return int(stored.inserted_primary_key[0])


# ------------------------------------------------------------------ reading


def labels(trait: str) -> Select[Any]:
    """Every member's group by a trait, as a statement: `member_id`, `label` (empty: unknown), `position`."""
    if trait == EVERYBODY:
        return select(members.c.id.label("member_id"), literal("").label("label"), literal(0).label("position"))
    if trait == DEPARTMENT:
        return select(members.c.id.label("member_id"), departments.c.name.label("label"), departments.c.position).join(
            departments, departments.c.id == members.c.department_id
        )
    return select(
        members.c.id.label("member_id"),
        func.coalesce(member_traits.c.value, "").label("label"),
        literal(0).label("position"),
    ).outerjoin(member_traits, and_(member_traits.c.member_id == members.c.id, member_traits.c.trait == trait))


async def registered(db: AsyncConnection, trait: str) -> list[tuple[str, int, int]]:
    """How many work here, and how many of them can be reached on a platform: (label, staff, registered)."""
    group = labels(trait).subquery("groups")
    reached = select(addresses.c.member_id).where(addresses.c.reachable).distinct().subquery("reached")
    rows = await db.execute(
        select(group.c.label, func.count(), func.count(reached.c.member_id))
        .join(members, members.c.id == group.c.member_id)
        .outerjoin(reached, reached.c.member_id == group.c.member_id)
        .where(members.c.active)
        .group_by(group.c.label, group.c.position)
        .order_by(group.c.position, group.c.label)
    )
    return [(label, staff, here) for label, staff, here in rows]


async def active(db: AsyncConnection, acts: Acts, periods: Sequence[Period], trait: str) -> list[tuple[str, str, int]]:
    """How many of those who work here did something in each period, by group: (label, period, people).

    A group or a period in which nobody did anything has no row.
    """
    if not periods:
        return []
    span = (
        values(column("key", Text), column("starts", UtcDateTime), column("ends", UtcDateTime), name="spans")
        .data([(period.key, period.starts, period.ends) for period in periods])
        .cte("spans")
    )
    act, group = acts.subquery("acts"), labels(trait).subquery("groups")
    rows = await db.execute(
        select(group.c.label, span.c.key, func.count(distinct(act.c.member_id)))
        .join(group, group.c.member_id == act.c.member_id)
        .join(members, members.c.id == act.c.member_id)
        .join(span, and_(act.c.at >= span.c.starts, act.c.at < span.c.ends))
        .where(members.c.active)
        .group_by(group.c.label, span.c.key)
        .order_by(span.c.key, group.c.label)
    )
    return [(label, period, people) for label, period, people in rows]


def problem_acts() -> Select[Any]:
    """Who reported a problem when, for `active`."""
    return select(problem_reports.c.member_id, problem_reports.c.at)


async def first_and_last(db: AsyncConnection, acts: Acts) -> tuple[datetime, datetime] | None:
    """The first and the last act on record, or None."""
    act = acts.subquery("acts")
    first, last = (await db.execute(select(func.min(act.c.at), func.max(act.c.at)))).one()
    return None if first is None else (first, last)


async def problems(db: AsyncConnection) -> list[tuple[datetime, str]]:
    """Everything that was reported, in its order; without names, as an evaluation needs none."""
    rows = await db.execute(
        select(problem_reports.c.at, problem_reports.c.text).order_by(problem_reports.c.at, problem_reports.c.id)
    )
    return [(at, text) for at, text in rows]


async def snapshots(db: AsyncConnection) -> list[tuple[datetime, str, str, int]]:
    """Everything that services counted, oldest first: (at, source, key, value)."""
    rows = await db.execute(
        select(usage_snapshots).order_by(usage_snapshots.c.at, usage_snapshots.c.source, usage_snapshots.c.key)
    )
    return [(row.at, row.source, row.key, row.value) for row in rows]


async def deliveries_by_outcome(db: AsyncConnection) -> tuple[int, int]:
    """Messages of the bot that a platform took, and those that were given up."""
    sent, dead = (
        await db.execute(
            select(
                func.count(case((deliveries.c.state == "sent", 1), else_=null())),
                func.count(case((deliveries.c.state == "dead", 1), else_=null())),
            ).where(deliveries.c.action == "send")
        )
    ).one()
    return sent, dead


def together(statements: Iterable[Select[Any]]) -> Acts:
    """Acts of several rooms as one statement."""
    first, *others = statements
    return first.union_all(*others) if others else first


def _insert(db: AsyncConnection, table: Table) -> Any:
    return (sqlite.insert if db.dialect.name == "sqlite" else postgresql.insert)(table)
