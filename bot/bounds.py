"""What may stand in one request: a platform's secret says who speaks, and not that they speak sense.

To read an event and to keep it takes some twenty microseconds, so a signed megabyte of `0,0,0,…` held the bot for ten
seconds, in which nobody else was answered. Whoever needs more than these bounds says nothing: their body is kept as it
is, as one event that nobody can read.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import TypeVar

from bot.errors import MalformedPayload

EVENTS_AT_ONCE = 1_000
"""Events that one request may bring; a few hundredths of a second.

Ten times what platforms send: a LoGoチャット-compatible service 100 (`docs/chat-service.md`), Synapse 100 and as many
receipts of rooms, LINE WORKS and Slack one, LINE a few without a limit that it would publish.
"""

T = TypeVar("T", bound=Sized)


def bounded(events: T) -> T:
    """The same events. MalformedPayload if they are more than `EVENTS_AT_ONCE`: for `parse` to ask before it reads."""
    if len(events) > EVENTS_AT_ONCE:
        raise MalformedPayload(
            f"The request brings {len(events):,} events, and no platform sends more than {EVENTS_AT_ONCE:,} at once. "
            "It is kept whole, as one."
        )
    return events


def few(value: object) -> object:
    """The same list within an event; ValueError if it is longer than `EVENTS_AT_ONCE`.

    A `BeforeValidator`, because `max_length` counts when all of it has been read. `FailFast` beside it keeps a list of
    mistakes from becoming a list of errors, of which half a million took five seconds.
    """
    if isinstance(value, list) and len(value) > EVENTS_AT_ONCE:
        raise ValueError(f"there are {len(value):,}, and {EVENTS_AT_ONCE:,} at most are read")
    return value
