"""Writing the chain: one row more, its hash, and the head, in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.audit.tables import audit_head, audit_log
from bot.bilingual import both
from bot.clock import Clock
from bot.storage import UtcDateTime

GENESIS = "0" * 64
"""What the first row names as the hash before it."""

_LOCK = 0x6B616972  # "kair": the number of the advisory lock that puts PostgreSQL's writers in a queue


@dataclass(frozen=True, slots=True)
class Head:
    """How long the chain is and the hash of its last row; `str()` is the form to write down."""

    count: int
    hash: str

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that `str()` wrote; ValueError if it is none."""
        found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text.strip())
        if found is None:
            raise ValueError(both("bot", "audit.head"))
        return cls(int(found[1]), found[2])


async def append(
    db: AsyncConnection,
    clock: Clock,
    *,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
) -> Head:
    """Add a row inside the caller's transaction; the new head.

    `details` is anything that JSON can say. On PostgreSQL those who append wait for each other from here to their
    commit, so append late in a transaction. On SQLite `Database.transaction()` already lets in one writer at a time.
    """
    if db.dialect.name == "postgresql":
        await db.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    before = await head(db)
    if before is None:
        before = await _first_head(db, clock)
    after = await _write(db, clock, before, [actor, action, subject, canonical(details or {})])
    await db.execute(update(audit_head).values(count=after.count, hash=after.hash))
    return after


async def head(db: AsyncConnection) -> Head | None:
    """The head as it is kept, or None before the first row. Write it down where this database's owner cannot."""
    row = (await db.execute(select(audit_head.c.count, audit_head.c.hash))).first()
    return None if row is None else Head(*row)


def digest(*values: object) -> str:
    """The hash of a row's columns but the last, in the table's order, moments as they are stored."""
    # As JSON, 1 and "1" differ and no text can run over into the next.
    return hashlib.sha256(canonical(values).encode()).hexdigest()


def canonical(value: object) -> str:
    """JSON in its one form: keys sorted, no spaces, characters as they are; TypeError or ValueError if it is none."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return _storable(text)


async def _first_head(db: AsyncConnection, clock: Clock) -> Head:
    """A head for an empty log, or behind the last row if the head was lost: work goes on, the loss is noted."""
    query = select(audit_log.c.seq, audit_log.c.hash).order_by(audit_log.c.seq.desc()).limit(1)
    last = (await db.execute(query)).first()
    start = Head(0, GENESIS) if last is None else Head(*last)
    await db.execute(insert(audit_head).values(id=1, count=start.count, hash=start.hash))
    return start if last is None else await _write(db, clock, start, ["kairanban", "audit.head_lost", "audit", "{}"])


async def _write(db: AsyncConnection, clock: Clock, before: Head, texts: list[str]) -> Head:
    seq, at = before.count + 1, clock.now()
    actor, action, subject, details = map(_storable, texts)
    stored_at = UtcDateTime().process_bind_param(at, db.dialect)
    sealed = digest(seq, stored_at, actor, action, subject, details, before.hash)
    await db.execute(
        insert(audit_log).values(
            seq=seq,
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            details=details,
            previous_hash=before.hash,
            hash=sealed,
        )
    )
    return Head(seq, sealed)


def _storable(text: str) -> str:
    # PostgreSQL takes no NUL and neither database a lone surrogate; a refusal must be recorded whatever was typed.
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
