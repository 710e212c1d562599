"""How fast an adapter may call its platform."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.clock import Clock


class Pacer:
    """Even spacing: `rate` calls a second means one call every 1/rate seconds, never a burst after a rest.

    A burst would be within the average and still be what a platform's limiter counts against us.
    """

    def __init__(self, clock: Clock, rate: float | None) -> None:
        if rate is not None and rate <= 0:
            raise ValueError("A rate is a number of calls a second above 0, or None for no limit.")
        self._clock = clock
        # Rounded up: a microsecond too short, repeated, would exceed the rate.
        self._spacing = None if rate is None else timedelta(microseconds=-(-1_000_000 // rate))
        self._next: datetime | None = None

    @property
    def next_at(self) -> datetime | None:
        """The moment from which another call may go out; None for at once."""
        return self._next if self._next is not None and self._next > self._clock.now() else None

    def take(self) -> bool:
        """Take the right to make one call now, if there is one."""
        if self._next is None and self._spacing is None:
            return True
        now = self._clock.now()
        if self._next is not None and now < self._next:
            return False
        self._next = None if self._spacing is None else now + self._spacing
        return True

    def pause(self, until: datetime) -> None:
        """No call before `until`: the platform asked for a rest. A shorter pause does not end a longer one."""
        if self._next is None or until > self._next:
            self._next = until
