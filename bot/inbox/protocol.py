"""What the house asks of an inbox, whichever engine is behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.events import Event


@dataclass(slots=True)  # not frozen: one is made for every event, and freezing doubles what that costs
class Record:
    """A pending event. `attempts` counts failed ones; not to be tried before `retry_at`.

    `redelivered` says that an earlier process may have handled it without getting as far as `acknowledge`.
    """

    id: int
    event: Event
    attempts: int = 0
    retry_at: datetime | None = None
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """An event that was given up, or a row that could not be read.

    `payload` is the event as JSON, or what is left; of a long one, its beginning.
    """

    id: int
    adapter: str
    key: str
    received_at: datetime
    attempts: int
    error: str
    payload: str


class Inbox(Protocol):
    """An append-only log of events that drops one only when its effects are safe elsewhere."""

    async def open(self) -> None:
        """Take the log and find what an earlier process left pending. Raises `ConfigurationError`."""

    async def close(self) -> None:
        """Finish what is being written and give the log back."""

    def on_arrival(self, callback: Callable[[], None]) -> None:
        """Call `callback` in the loop whenever `take` has something new, before `append` returns."""

    async def append(self, events: Sequence[Event]) -> int:
        """Keep events; durable when it returns. How many were new: those seen before are passed over.

        Raises `InboxUnavailable` if they could not be kept; then none was, or the platform's repetition is recognised.
        """

    async def take(self, limit: int) -> Sequence[Record]:
        """Up to `limit` pending events, oldest first, each handed out once in the life of a process."""

    async def acknowledge(self, ids: Sequence[int]) -> None:
        """These are handled: drop their payload, keep their key. May become durable a little later."""

    async def fail(self, id: int, error: str, retry_at: datetime | None) -> None:
        """Note a failed attempt. Without `retry_at` the event is given up: kept, listed by `failed`."""

    async def failed(self, limit: int = 100) -> Sequence[FailedEvent]:
        """Events that were given up, the newest first."""

    async def count_failed(self) -> int:
        """How many events were given up."""

    async def replay(self, id: int) -> bool:
        """Make a given-up event pending again with no attempts; False if there is none that can be read."""

    async def discard(self, id: int) -> bool:
        """Drop the payload of a given-up event and keep its key; False if there is none."""

    async def discard_all(self, chosen: Callable[[Event], bool]) -> int:
        """As `discard`, of every given-up event that can be read and is `chosen`; how many. It may run in a thread."""

    async def renew_keys(self) -> None:
        """Make unreadable, now, what is left on the disk of everything handled; otherwise that takes two minutes."""

    @property
    def backlog(self) -> int:
        """Events pending, handed out or not."""

    async def readiness(self) -> str | None:
        """Why `append` would not work now, None if it would; asks for no more than a glance."""

    @property
    def is_open(self) -> bool:
        """Whether `append` can work."""
