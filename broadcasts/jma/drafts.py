"""Drafts in the database: what each decision does to them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import Refused
from bot.texts import Texts
from broadcasts.jma.decide import Decision
from broadcasts.jma.memory import Memory, upgraded
from broadcasts.jma.tables import drafts, events
from broadcasts.jma.telegram import InfoType, Telegram
from broadcasts.jma.wording import compose, describe, is_old
from broadcasts.tables import broadcasts

State = Literal["held", "ready", "withdrawn", "released", "dismissed"]
OPEN: tuple[State, ...] = ("held", "ready")

_MEMORY = TypeAdapter(Memory)


@dataclass(frozen=True)
class Draft:
    """A notice in waiting.

    `follows` is the released draft that it updates or takes back, `broadcast_id` the notice that an officer has made of
    it.
    """

    id: int
    event: str
    kind: str
    event_id: str
    serial: int | None
    drill: bool
    text: str
    areas: tuple[dict[str, str], ...]
    state: State
    received_at: datetime
    held_until: datetime
    revision: int
    follows: int | None
    broadcast_id: int | None


_COLUMNS = [drafts.c[name] for name in Draft.__annotations__]


def _draft(row: Row[Any]) -> Draft:
    return Draft(**{**row._mapping, "areas": tuple(json.loads(row.areas))})


def key_of(telegram: Telegram) -> str:
    """The key of the telegram's event. Real and drilled events never meet, even under the same EventID."""
    return f"{'drill' if telegram.drill else 'real'}:{telegram.series}"


async def insert_new(db: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there, also by another process at this moment; whether it was new."""
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    result = await db.execute(dialect.insert(table).values(values).on_conflict_do_nothing())
    return result.rowcount > 0


async def remembered(db: AsyncConnection, key: str, now: datetime) -> Memory:
    """What has been seen of an event. Its row stays locked until the transaction ends: one telegram at a time."""
    await insert_new(db, events, {"key": key, "memory": _MEMORY.dump_json(Memory()).decode(), "updated_at": now})
    found = await db.execute(select(events.c.memory).where(events.c.key == key).with_for_update())
    return _MEMORY.validate_json(json.dumps(upgraded(found.scalar_one())))


async def remember(db: AsyncConnection, key: str, memory: Memory, now: datetime) -> None:
    """Keep what has been seen of an event."""
    values = {"memory": _MEMORY.dump_json(memory).decode(), "updated_at": now}
    await db.execute(update(events).where(events.c.key == key).values(values))


async def apply(db: AsyncConnection, decision: Decision, texts: Texts, now: datetime, hold: timedelta) -> Sequence[int]:
    """Draft, amend or withdraw as `decision` says; anything else changes nothing. The notices that must not be sent.

    A draft that waits is amended in place and keeps its time. Once released its text is never touched: what comes later
    is a draft of its own that follows it, held anew if people have been told, unless it takes back or corrects that.

    What an officer has taken and not sent yet is closed by what takes it back or corrects it, and its notice with it.
    News that only go on leave it alone, or in an earthquake no notice would ever be done.
    """
    telegram = decision.source
    if not isinstance(telegram, Telegram) or decision.action not in ("draft", "amend", "withdraw"):
        return ()
    key = key_of(telegram)
    stopped: Sequence[int] = ()
    waiting = await db.scalar(_waiting(key))
    taken = await db.scalar(select(drafts.c.id).where(_unsent(key)))
    if taken is not None and (decision.all_clear or telegram.info_type is not InfoType.ISSUE):
        stopped = await _close(db, _unsent(key), now)
    if decision.action == "draft" or (decision.action == "withdraw" and not decision.told):
        # A new draft takes the place of an all-clear that still waits; a withdrawn one has never reached anybody.
        await _close(db, _open(key), now)
        if decision.action == "withdraw":
            return stopped
        waiting = taken = None  # another event, or one that was put aside: nothing of it has been held yet
    content = {
        "kind": telegram.kind,
        "event_id": telegram.event_id,
        "serial": telegram.serial,
        "text": compose(decision, texts, now),
        "areas": json.dumps(describe(decision, texts)["areas"], ensure_ascii=False),
        "updated_at": now,
    }
    at_once = taken is not None or (decision.told and telegram.info_type is not InfoType.ISSUE)
    at_once = at_once and not is_old(telegram, now)
    if waiting is not None:
        values: dict[str, Any] = {**content, "revision": drafts.c.revision + 1}
        if at_once:
            values["held_until"] = now
        await db.execute(update(drafts).where(drafts.c.id == waiting).values(values))
        return stopped
    released = select(drafts.c.id).where(drafts.c.event == key, drafts.c.state == "released")
    last = await db.scalar(released.order_by(drafts.c.id.desc()).limit(1)) if decision.told else None
    follows = taken if taken is not None else last
    await db.execute(
        insert(drafts).values(
            **content,
            event=key,
            drill=telegram.drill,
            state="held",
            received_at=now,
            held_until=now if at_once else now + hold,
            follows=follows,
        )
    )
    return stopped


def _open(key: str) -> ColumnElement[bool]:
    return (drafts.c.event == key) & drafts.c.state.in_(OPEN)


def _unsent(key: str) -> ColumnElement[bool]:
    """The draft that an officer has made a notice of that has not gone out; there is one at most."""
    unsent = drafts.c.broadcast_id.is_not(None) & drafts.c.sent_at.is_(None)
    return (drafts.c.event == key) & (drafts.c.state == "released") & unsent


def _waiting(key: str) -> Any:
    return select(drafts.c.id).where(_open(key)).order_by(drafts.c.id.desc()).limit(1)


async def _close(db: AsyncConnection, where: ColumnElement[bool], now: datetime) -> Sequence[int]:
    """Withdraw drafts; the numbers of the notices that were made of them."""
    values = {"state": "withdrawn", "revision": drafts.c.revision + 1, "updated_at": now}
    closed = await db.scalars(update(drafts).where(where).values(values).returning(drafts.c.broadcast_id))
    return [number for number in closed if number is not None]


async def ripen(db: AsyncConnection, now: datetime) -> None:
    """Drafts whose hold is over become ready."""
    due = (drafts.c.state == "held") & (drafts.c.held_until <= now)
    await db.execute(update(drafts).where(due).values(state="ready", updated_at=now))


async def next_due(db: AsyncConnection) -> datetime | None:
    """When the next hold is over."""
    query = select(drafts.c.held_until).where(drafts.c.state == "held").order_by(drafts.c.held_until).limit(1)
    due: datetime | None = await db.scalar(query)
    return due


async def unannounced(db: AsyncConnection) -> list[Draft]:
    """Drafts whose present revision nobody has been shown, oldest first: ready ones, and withdrawn ones once shown."""
    shown = (drafts.c.state == "ready") | ((drafts.c.state == "withdrawn") & (drafts.c.announced > 0))
    where = shown & (drafts.c.announced < drafts.c.revision)
    return [_draft(row) for row in await db.execute(select(*_COLUMNS).where(where).order_by(drafts.c.id))]


async def announced(db: AsyncConnection, draft: Draft) -> None:
    """`draft` has been shown in this revision."""
    await db.execute(update(drafts).where(drafts.c.id == draft.id).values(announced=draft.revision))


async def listed(db: AsyncConnection, states: Collection[State]) -> Sequence[Draft]:
    """Drafts in these states, newest first."""
    query = select(*_COLUMNS).where(drafts.c.state.in_(states)).order_by(drafts.c.id.desc())
    return [_draft(row) for row in await db.execute(query)]


async def release(db: AsyncConnection, draft_id: int, now: datetime) -> Draft:
    """Hand a ready draft on to the officer who makes a broadcast of it, once. Raises Refused."""
    return await _leave(db, draft_id, "released", now)


async def made(db: AsyncConnection, draft: Draft, broadcast_id: int, now: datetime) -> Sequence[int]:
    """A notice was made of a released draft. Those of the event that are out of date by it and must not be sent."""
    older = update(drafts).where(_unsent(draft.event)).values(state="withdrawn", updated_at=now)
    stopped = list(await db.scalars(older.returning(drafts.c.broadcast_id)))
    await db.execute(update(drafts).where(drafts.c.id == draft.id).values(broadcast_id=broadcast_id, updated_at=now))
    return stopped


async def notice_of(db: AsyncConnection, draft_id: int) -> int | None:
    """The number of the notice that was made of a draft."""
    found: int | None = await db.scalar(select(drafts.c.broadcast_id).where(drafts.c.id == draft_id))
    return found


async def check(db: AsyncConnection, broadcast_id: int, now: datetime) -> None:
    """Raise Refused if a notice was made of a draft that has been taken back, corrected or taken anew since."""
    event = await db.scalar(select(drafts.c.event).where(drafts.c.broadcast_id == broadcast_id))
    if event is None:
        return
    await remembered(db, event, now)  # what comes at this very moment waits until the notice has gone out, or not
    state = await db.scalar(select(drafts.c.state).where(drafts.c.broadcast_id == broadcast_id))
    if state != "released":  # taken back, or thrown away before something newer came, and brought back since
        raise Refused("refused.agency_changed", id=broadcast_id)


async def sent(db: AsyncConnection, broadcast_id: int, now: datetime) -> None:
    """A notice has gone out: if it was made of a draft, people have been told of the event now."""
    gone = update(drafts).where(drafts.c.broadcast_id == broadcast_id).values(sent_at=now).returning(drafts.c.event)
    event = await db.scalar(gone)
    if event is not None:
        await remember(db, event, (await remembered(db, event, now)).sent(), now)


async def settle(db: AsyncConnection, key: str, seen: Memory, now: datetime) -> Memory:
    """If the notice of the draft that an officer took was thrown away, the draft was dismissed by that."""
    gone = select(broadcasts.c.id).where(broadcasts.c.id == drafts.c.broadcast_id, broadcasts.c.state == "cancelled")
    away = update(drafts).where(_unsent(key), gone.exists()).values(state="dismissed", updated_at=now)
    if (await db.execute(away)).rowcount == 0:
        return seen
    seen = seen.thrown_away()
    if await db.scalar(_waiting(key)) is None:
        seen = seen.dismissed()
    await remember(db, key, seen, now)
    return seen


async def dismiss(db: AsyncConnection, draft_id: int, now: datetime) -> Draft:
    """Put a ready draft aside for good: the officer has decided that nobody need be told. Raises Refused."""
    return await _leave(db, draft_id, "dismissed", now)


async def _leave(db: AsyncConnection, draft_id: int, end: Literal["released", "dismissed"], now: datetime) -> Draft:
    event = await db.scalar(select(drafts.c.event).where(drafts.c.id == draft_id))
    if event is None:
        raise Refused("refused.missing", draft=draft_id)
    # The event first and then its draft, as when a telegram comes: two that lock in different orders would deadlock.
    memory = await remembered(db, event, now)
    ready = (drafts.c.id == draft_id) & (drafts.c.state == "ready")
    taken = update(drafts).where(ready).values(state=end, updated_at=now).returning(*_COLUMNS)
    row = (await db.execute(taken)).one_or_none()
    if row is None:
        state = await db.scalar(select(drafts.c.state).where(drafts.c.id == draft_id))
        raise Refused(f"refused.{state}", draft=draft_id)
    await remember(db, event, memory.released() if end == "released" else memory.dismissed(), now)
    return _draft(row)
