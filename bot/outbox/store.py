"""The outbox's rows: claimed, recorded, given back; one statement for both databases each.

    queued ──claim──> sending ──> sent | dead
      ^                  │
      └── retry, snooze, release, rescue

Order: a delivery waits while an earlier one to the same address, in the same priority, is due, being sent or being
tried again, so two answers to one person never change places. The price: one address gets one message per round trip,
and a message that fails for one address alone holds back the later ones there until it is sent or dead. Another
priority does not wait: an emergency passes a failing notice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Insert,
    Select,
    Subquery,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from bot.adapter import Delivery
from bot.messages import Address, Message
from bot.storage import UtcDateTime
from bot.tables import attempts, deliveries, messages


@dataclass(slots=True)
class Claimed:
    """A delivery that this process may send, with what its row needs when it is recorded."""

    delivery: Delivery
    message_key: int
    topic: str | None
    priority: int
    due_at: int
    attempts: int

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.priority, self.due_at, self.delivery.id)


@dataclass(slots=True)  # frozen costs twice as much to make, and one is made for every try
class Result:
    """What came of one try: the delivery's next state, and one row for the attempt log."""

    claimed: Claimed
    state: Literal["queued", "sent", "dead"]
    outcome: Literal["sent", "retry", "snooze", "rejected"]
    started_at: datetime
    finished_at: datetime
    due_at: datetime | None = None
    """When to try again; None leaves it."""
    reason: str = ""
    platform_id: str | None = None
    uncertain: bool = False
    """Whether the platform may have acted although the try counts as failed."""


ANY_PRIORITY = 32_767
"""More than the largest number that stands in the column."""

# Written into the SQL, for a bound parameter would hide from both databases that the partial indexes fit.
_QUEUED: ColumnElement[str] = literal_column("'queued'")
_SENDING: ColumnElement[str] = literal_column("'sending'")

_waiting = deliveries.alias("waiting")
_earlier = deliveries.alias("earlier")

_held_back = (
    select(1)
    .where(
        _earlier.c.adapter == _waiting.c.adapter,
        _earlier.c.kind == _waiting.c.kind,
        _earlier.c.address == _waiting.c.address,
        _earlier.c.priority == _waiting.c.priority,
        _earlier.c.id < _waiting.c.id,
        _earlier.c.state.in_((_QUEUED, _SENDING)),
        or_(
            _earlier.c.state == _SENDING,
            _earlier.c.attempts > 0,
            _earlier.c.due_at <= bindparam("now"),
        ),
    )
    .exists()
)

_COLUMNS = (
    "id",
    "key",
    "message_id",
    "kind",
    "address",
    "action",
    "topic",
    "priority",
    "due_at",
    "attempts",
    "platform_id",
    "claimed_until",
)


class _Statements:
    """What the store says, built once for each dialect.

    Sets of rows travel as one JSON text, both ways. The SQLite driver gives up the interpreter's lock for every row it
    is given or asked for, and next to a busy event loop gets it back late: row by row, the outbox was 2.5 times slower.
    """

    def __init__(self, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite
        self.choose = self._choose()
        taken = self._rows_in("rows", id=BigInteger())
        self.take = (
            update(deliveries)
            .where(deliveries.c.id.in_(select(taken.c.id)))
            .values(state="sending", claimed_until=bindparam("until"))
        )
        self.record = self._record()
        self.log = self._log()

    def _choose(self) -> Select[str]:
        due = (
            select(*(_waiting.c[name] for name in _COLUMNS))
            .where(
                _waiting.c.state == _QUEUED,
                _waiting.c.adapter == bindparam("for_adapter"),
                _waiting.c.due_at <= bindparam("now"),
                _waiting.c.priority < bindparam("below"),
                not_(_held_back),
            )
            .order_by(_waiting.c.priority, _waiting.c.due_at, _waiting.c.id)
            .limit(bindparam("limit"))
            .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer and leaves it out
            .subquery()
        )
        cells = [due.c[name] for name in _COLUMNS]
        if self._is_sqlite:
            return select(func.json_group_array(func.json_array(*cells), type_=Text))
        return select(cast(func.json_agg(func.json_build_array(*cells)), Text))

    def _record(self) -> Update:
        new = self._rows_in(
            "rows",
            id=BigInteger(),
            state=Text(),
            due_at=BigInteger(),
            attempts=BigInteger(),
            platform_id=Text(),
            finished_at=BigInteger(),
            claimed_until=BigInteger(),
        )
        return (
            update(deliveries)
            .where(deliveries.c.id == new.c.id)
            .values(
                state=new.c.state,
                due_at=new.c.due_at,
                attempts=new.c.attempts,
                platform_id=new.c.platform_id,
                finished_at=new.c.finished_at,
                claimed_until=new.c.claimed_until,
            )
        )

    def _log(self) -> Insert:
        tries = self._rows_in(
            "rows",
            delivery_id=BigInteger(),
            started_at=BigInteger(),
            finished_at=BigInteger(),
            outcome=Text(),
            reason=Text(),
        )
        return insert(attempts).from_select(list(tries.c.keys()), select(tries))

    def _rows_in(self, parameter: str, **columns: TypeEngine[Any]) -> Subquery:
        """A table out of a JSON array of arrays."""
        given = bindparam(parameter, type_=Text())
        cells: list[ColumnElement[Any]]
        if self._is_sqlite:
            rows = func.json_each(given).table_valued("value")
            cells = [func.json_extract(rows.c.value, f"$[{number}]") for number in range(len(columns))]
        else:
            rows = func.json_array_elements(cast(given, JSON)).table_valued("value")
            cells = [
                cast(func.json_extract_path_text(rows.c.value, str(number)), type_)
                for number, type_ in enumerate(columns.values())
            ]
        return select(*(cell.label(name) for cell, name in zip(cells, columns, strict=True))).subquery()


_STATEMENTS = {is_sqlite: _Statements(is_sqlite) for is_sqlite in (True, False)}


class Store:
    """One adapter's view of the rows. Keeps the parsed messages: a notice to 1,200 people is read once."""

    def __init__(self, adapter: str, *, is_sqlite: bool) -> None:
        self._adapter = adapter
        self._statements = _STATEMENTS[is_sqlite]
        self._messages: dict[int, Message] = {}

    async def claim(
        self, db: AsyncConnection, limit: int, now: datetime, until: datetime, *, below: int = ANY_PRIORITY
    ) -> list[Claimed]:
        """Up to `limit` deliveries that are due, in the order of sending; nobody else gets them before `until`.

        With `below`, only those that would overtake a delivery of that priority.
        """
        chosen = await db.scalar(
            self._statements.choose, {"for_adapter": self._adapter, "now": now, "limit": limit, "below": below}
        )
        rows: list[list[Any]] = orjson.loads(chosen) if chosen else []
        if not rows:
            return []
        await db.execute(self._statements.take, {"rows": _packed([row[0]] for row in rows), "until": until})
        known = await self._read_messages(db, {row[2] for row in rows})
        claimed = [
            Claimed(
                Delivery(
                    id=number,
                    key=key,
                    address=Address(adapter=self._adapter, kind=kind, id=address),
                    message=known[message_key],
                    action=action,
                    message_id=platform_id,
                    attempt=tries + 1,
                    uncertain=earlier is not None,
                ),
                message_key,
                topic,
                priority,
                due_at,
                tries,
            )
            for (
                number,
                key,
                message_key,
                kind,
                address,
                action,
                topic,
                priority,
                due_at,
                tries,
                platform_id,
                earlier,
            ) in rows
        ]
        claimed.sort(key=lambda each: each.rank)  # an aggregate promises no order
        return claimed

    async def _read_messages(self, db: AsyncConnection, ids: Collection[int]) -> dict[int, Message]:
        known = {number: message for number, message in self._messages.items() if number in ids}
        missing = [number for number in ids if number not in known]
        if missing:
            for number, body in await db.execute(_BODIES, {"ids": missing}):
                known[number] = Message.model_validate_json(body)
        self._messages = known  # the next batch is most likely more of the same
        return known

    async def record(self, db: AsyncConnection, results: Sequence[Result]) -> None:
        """Write down what came of each try."""
        new = (
            (
                result.claimed.delivery.id,
                result.state,
                result.claimed.due_at if result.due_at is None else _stored(result.due_at),
                result.claimed.attempts + (result.outcome != "snooze"),
                result.platform_id or result.claimed.delivery.message_id,
                None if result.state == "queued" else _stored(result.finished_at),
                _stored(result.finished_at) if _stays_uncertain(result) else None,
            )
            for result in results
        )
        await db.execute(self._statements.record, {"rows": _packed(new)})
        tries = (
            (
                result.claimed.delivery.id,
                _stored(result.started_at),
                _stored(result.finished_at),
                result.outcome,
                result.reason,
            )
            for result in results
        )
        await db.execute(self._statements.log, {"rows": _packed(tries)})

    async def release(self, db: AsyncConnection, claimed: Iterable[Claimed]) -> None:
        """Give back what was claimed and not tried; what was uncertain before stays so."""
        given = [each.delivery for each in claimed]
        uncertain = deliveries.c.id.in_([each.id for each in given if each.uncertain])
        await db.execute(
            update(deliveries)
            .where(deliveries.c.id.in_([each.id for each in given]), deliveries.c.state == _SENDING)
            .values(state="queued", claimed_until=case((uncertain, deliveries.c.claimed_until), else_=None))
        )

    async def renew(self, db: AsyncConnection, ids: Collection[int], until: datetime) -> None:
        """Keep claims of a process that is alive and slow."""
        await db.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.state == _SENDING)
            .values(claimed_until=until)
        )

    async def next_due(self, db: AsyncConnection, now: datetime) -> datetime | None:
        """The moment at which the next delivery becomes due; None when none is waiting for its time."""
        found: datetime | None = await db.scalar(_NEXT_DUE, {"for_adapter": self._adapter, "now": now})
        return found


def _stays_uncertain(result: Result) -> bool:
    return result.state != "sent" and (result.uncertain or result.claimed.delivery.uncertain)


_BODIES = select(messages.c.id, messages.c.body).where(messages.c.id.in_(bindparam("ids", expanding=True)))
_NEXT_DUE = select(func.min(deliveries.c.due_at)).where(
    deliveries.c.adapter == bindparam("for_adapter"),
    deliveries.c.state == _QUEUED,
    deliveries.c.due_at > bindparam("now", type_=UtcDateTime),
)


def _packed(rows: Iterable[Sequence[object]]) -> str:
    return orjson.dumps(list(rows)).decode()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _stored(moment: datetime) -> int:
    """A moment inside JSON, as `UtcDateTime` would store it."""
    return (moment - _EPOCH) // _MICROSECOND


async def rescue(db: AsyncConnection, now: datetime | None) -> int:
    """Queue what a process claimed and never recorded: claims past their time, or with `now` None all; how many.

    `claimed_until` stays: it tells that the platform may have the message although nobody wrote it down.
    """
    forfeit = deliveries.c.state == _SENDING
    if now is not None:
        forfeit = and_(forfeit, deliveries.c.claimed_until <= now)
    freed = await db.execute(update(deliveries).where(forfeit).values(state="queued"))
    return int(freed.rowcount)
