"""The rows behind the answers to a notice: the first and the latest of each person, and which question was meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, literal_column, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import UtcDateTime
from broadcasts.tables import answer_words, awaited_details, broadcast_answers, broadcast_recipients, broadcasts


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `at` is the platform's moment and `key` the event's, which settles what happened at one moment."""

    choice: str
    detail: str
    at: datetime
    key: str


async def keep(db: AsyncConnection, broadcast_id: int, member_id: int, answer: Answer) -> None:
    """Put an answer into its row: as the first, as the latest, as both, or not at all."""
    values = {"choice": answer.choice, "detail": answer.detail, "at": answer.at, "key": answer.key}
    row = {f"{place}_{name}": value for place in ("first", "latest") for name, value in values.items()}
    await db.execute(_KEEP[db.dialect.name], {"broadcast_id": broadcast_id, "member_id": member_id, **row})


async def keep_words(
    db: AsyncConnection, broadcast_id: int, member_id: int, words: str, at: datetime, key: str
) -> None:
    """Keep what somebody wrote while a question was open, once an event, whatever is understood of it."""
    values = {"broadcast_id": broadcast_id, "member_id": member_id, "at": at, "key": key, "text": words}
    await db.execute(_KEEP_WORDS[db.dialect.name], values)


# Built once: a night's answers come in by the hundred.
NOTICE = select(broadcasts).where(broadcasts.c.id == bindparam("broadcast_id"), broadcasts.c.sent_at.is_not(None))
AWAITED = (
    select(broadcasts, awaited_details.c.choice)
    .join(awaited_details, awaited_details.c.broadcast_id == broadcasts.c.id)
    .where(
        awaited_details.c.member_id == bindparam("member_id"),
        awaited_details.c.until >= bindparam("at", type_=UtcDateTime),
    )
)
AWAIT_NOTHING = delete(awaited_details).where(awaited_details.c.member_id == bindparam("member_id"))
LATEST_OPEN = (
    select(broadcasts)
    .join(broadcast_recipients, broadcast_recipients.c.broadcast_id == broadcasts.c.id)
    .where(
        broadcast_recipients.c.member_id == bindparam("member_id"),
        broadcasts.c.asks == bindparam("asks"),
        broadcasts.c.state == "sent",
    )
    .order_by(broadcasts.c.sent_at.desc(), broadcasts.c.id.desc())
    .limit(1)
)
RECENT_QUESTIONS = (
    select(broadcasts)
    .join(broadcast_recipients, broadcast_recipients.c.broadcast_id == broadcasts.c.id)
    .outerjoin(
        broadcast_answers,
        and_(
            broadcast_answers.c.broadcast_id == broadcasts.c.id,
            broadcast_answers.c.member_id == broadcast_recipients.c.member_id,
        ),
    )
    .where(
        broadcast_recipients.c.member_id == bindparam("member_id"),
        broadcasts.c.asks.is_not(None),
        broadcasts.c.state == "sent",
        broadcasts.c.sent_at >= bindparam("since", type_=UtcDateTime),
    )
    .order_by(broadcasts.c.sent_at.desc(), broadcasts.c.id.desc())
)
SAFETY_OPEN = RECENT_QUESTIONS.where(broadcasts.c.asks == literal_column("'safety'")).limit(1)
GIVEN = select(broadcast_answers).where(
    broadcast_answers.c.broadcast_id == bindparam("broadcast_id"),
    broadcast_answers.c.member_id == bindparam("member_id"),
)


def _keeping(store: postgresql.Insert | sqlite.Insert) -> Any:
    row, given = broadcast_answers.c, store.excluded
    earlier = or_(given.first_at < row.first_at, and_(given.first_at == row.first_at, given.first_key < row.first_key))
    later = or_(
        given.latest_at > row.latest_at, and_(given.latest_at == row.latest_at, given.latest_key > row.latest_key)
    )
    parts = ("choice", "detail", "at", "key")
    return store.on_conflict_do_update(
        index_elements=[row.broadcast_id, row.member_id],
        set_={
            f"{place}_{part}": case((wins, given[f"{place}_{part}"]), else_=row[f"{place}_{part}"])
            for place, wins in (("first", earlier), ("latest", later))
            for part in parts
        },
    )


_KEEP = {
    "sqlite": _keeping(sqlite.insert(broadcast_answers)),
    "postgresql": _keeping(postgresql.insert(broadcast_answers)),
}
_KEEP_WORDS = {
    "sqlite": sqlite.insert(answer_words).on_conflict_do_nothing(index_elements=["key"]),
    "postgresql": postgresql.insert(answer_words).on_conflict_do_nothing(index_elements=["key"]),
}
