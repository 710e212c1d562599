"""How much is too much: sizes, and calls a second as token buckets on the service's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from trial.service.problems import TooManyRequests

_LOOK_AT = 10_000
"""Buckets from which on it is worth while to look for full ones."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` calls in the long run, `burst` at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The service's settings. The figures for files are `reference/trial.md`'s, function 4; the others are ours.

    The bursts are wide because a rehearsal's clock stands still while a whole city hall acts at one moment.
    """

    person: Rate = Rate(20, 1_000)
    bot: Rate = Rate(200, 20_000)
    login: Rate = Rate(0.1, 10)
    """Attempts to sign in with one login, right or wrong."""
    body_bytes: int = 1_048_576
    files_per_send: int = 10
    bytes_per_send: int = 200 * 1_000_000


class Buckets:
    """One bucket for each caller; only what is full again is forgotten, so that calls for others reset nobody's."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, datetime]] = {}
        self._full: dict[str, datetime] = {}
        """When each bucket is full again."""
        self._look_at = _LOOK_AT

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: str, rate: Rate, now: datetime) -> None:
        """Count one call; raises TooManyRequests when the bucket is empty."""
        tokens, at = self._buckets.get(caller, (float(rate.burst), now))
        if now > at:
            tokens = min(rate.burst, tokens + (now - at).total_seconds() * rate.per_second)
        if tokens < 1:
            self._buckets[caller] = (tokens, now)
            raise TooManyRequests(
                f"Too many calls: {rate.per_second:g} a second are allowed, {rate.burst} at once. Wait, then go on.",
                after=(1 - tokens) / rate.per_second,
            )
        self._buckets[caller] = (tokens - 1, now)
        self._full[caller] = now + timedelta(seconds=(rate.burst - tokens + 1) / rate.per_second)
        if len(self._buckets) > self._look_at:
            for one in [one for one, at in self._full.items() if at <= now]:
                del self._buckets[one], self._full[one]
            self._look_at = max(_LOOK_AT, 2 * len(self._buckets))
