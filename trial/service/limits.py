"""How much is too much: sizes, and calls a second as token buckets on the service's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trial.service.problems import TooManyRequests


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
    """One bucket for each caller; what nobody has used for long is full again and forgotten."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, datetime]] = {}

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
        if len(self._buckets) > 10_000:
            oldest = sorted(self._buckets, key=lambda one: self._buckets[one][1])
            for one in oldest[:5_000]:
                del self._buckets[one]
