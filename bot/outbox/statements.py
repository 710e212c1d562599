"""What the outbox says to the database, built once for each dialect: to compose a statement costs more than to run it.

Sets of rows travel as one JSON text, both ways. The SQLite driver gives up the interpreter's lock for every row it is
given or asked for, and next to a busy event loop gets it back late: row by row, the outbox was 2.5 times slower.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    Select,
    Subquery,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    not_,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.types import TypeEngine

from bot.rows import rows_in
from bot.tables import attempts, deliveries, messages

# Written into the SQL, for a bound parameter would hide from both databases that the partial indexes fit.
QUEUED: ColumnElement[str] = literal_column("'queued'")
SENDING: ColumnElement[str] = literal_column("'sending'")

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
        _earlier.c.state.in_((QUEUED, SENDING)),
        or_(
            _earlier.c.state == SENDING,
            _earlier.c.attempts > 0,
            _earlier.c.due_at <= bindparam("now"),
        ),
    )
    .exists()
)

_mate = deliveries.alias("mate")

# Of those who share a call, the first that is open stands for all, and only while nobody has the others.
_leads = or_(
    _waiting.c.shared_call.is_(None),
    not_(
        select(1)
        .where(
            _mate.c.shared_call == _waiting.c.shared_call,
            or_(_mate.c.state == SENDING, and_(_mate.c.state == QUEUED, _mate.c.id < _waiting.c.id)),
        )
        .exists()
    ),
)

COLUMNS = (
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
    "created_at",
    "platform_id",
    "claimed_until",
    "reply_token",
    "shared_call",
)
"""What a claim reads of a delivery, in this order."""


class Statements:
    """The statements of one dialect; what they return and take as `rows` is a JSON array of arrays."""

    def __init__(self, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite
        self.choose = self._choose()
        self.mates = self._mates()
        self.bodies = self._bodies()
        named = deliveries.c.id.in_(select(self._rows_in("rows", id=BigInteger()).c.id))
        self.take = update(deliveries).where(named).values(state="sending", claimed_until=bindparam("until"))
        self.part = update(deliveries).where(named).values(shared_call=deliveries.c.key, reply_token=None)
        self.share = self._share()
        self.sent = self._sent()
        self.record = self._record()
        self.log = self._log()

    def _choose(self) -> Select[str]:
        due = (
            select(*(_waiting.c[name] for name in COLUMNS))
            .where(
                _waiting.c.state == QUEUED,
                _waiting.c.adapter == bindparam("for_adapter"),
                _waiting.c.due_at <= bindparam("now"),
                _waiting.c.priority < bindparam("below"),
                not_(_held_back),
                _leads,
            )
            .order_by(_waiting.c.priority, _waiting.c.due_at, _waiting.c.id)
            .limit(bindparam("limit"))
            .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer and leaves it out
            .subquery()
        )
        return self._as_rows(due)

    def _bodies(self) -> Select[int, str]:
        wanted = self._rows_in("rows", id=BigInteger())
        return select(messages.c.id, messages.c.body).where(messages.c.id.in_(select(wanted.c.id)))

    def _mates(self) -> Select[str]:
        """Whoever shares one of these calls and waits."""
        calls = self._rows_in("calls", name=Text())
        return self._as_rows(
            select(*(_mate.c[name] for name in COLUMNS))
            .where(_mate.c.shared_call.in_(select(calls.c.name)), _mate.c.state == QUEUED)
            .with_for_update()
            .subquery()
        )

    def _share(self) -> Update:
        new = self._rows_in("rows", id=BigInteger(), shared_call=Text())
        return update(deliveries).where(deliveries.c.id == new.c.id).values(shared_call=new.c.shared_call)

    def _as_rows(self, found: Subquery) -> Select[str]:
        cells = [found.c[name] for name in COLUMNS]
        if self._is_sqlite:
            return select(func.json_group_array(func.json_array(*cells), type_=Text))
        return select(cast(func.json_agg(func.json_build_array(*cells)), Text))

    def _sent(self) -> Update:
        """What came of nearly all: fewer columns than `record` takes apart and puts back."""
        new = self._rows_in("rows", id=BigInteger(), platform_id=Text(), finished_at=BigInteger())
        return (
            update(deliveries)
            .where(deliveries.c.id == new.c.id)
            .values(
                state="sent",
                attempts=deliveries.c.attempts + 1,
                platform_id=new.c.platform_id,
                finished_at=new.c.finished_at,
                claimed_until=null(),
            )
        )

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
        return rows_in(parameter, is_sqlite=self._is_sqlite, **columns)


STATEMENTS = {is_sqlite: Statements(is_sqlite) for is_sqlite in (True, False)}
