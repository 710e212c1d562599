"""From the inbox's rows to events and moments, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from bot.events import EVENT, Event
from bot.inbox.file import Row
from bot.inbox.protocol import FailedEvent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def event_in(row: Row) -> Event | None:
    """The event, or None if the row cannot be read as one."""
    try:
        return EVENT.validate_json(row.payload or "")
    except ValidationError:
        return None


def as_failed(row: Row) -> FailedEvent:
    payload = row.payload.decode("utf-8", "backslashreplace") if isinstance(row.payload, bytes) else row.payload
    return FailedEvent(
        id=row.id,
        adapter=row.adapter,
        key=row.key,
        received_at=EPOCH + row.received_at * MICROSECOND,
        attempts=row.attempts,
        error=row.error or "",
        payload=payload or "",
    )


def size(row: Row) -> int:
    """Bytes of its payload."""
    return len(row.payload.encode() if isinstance(row.payload, str) else row.payload or b"")


def microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // MICROSECOND


def moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + microseconds * MICROSECOND
