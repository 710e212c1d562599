"""When to try again, as a pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from bot.messages import Priority


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits that double up to a limit, each shortened at random so that many failures do not come back as one wave.

    The defaults try one message for about two hours while others get through. A try at a platform that is down does not
    count: what waits there is bounded by its `term`.
    """

    max_attempts: int = 20
    """Tries that count, the first included; after the last one a delivery is dead."""
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=10)
    factor: float = 2.0
    jitter: float = 0.2
    """The largest share that is taken off a wait, from 0 to 1."""

    reply_term: timedelta = timedelta(hours=3)
    """How long an answer to somebody still matters; then it is given up, whatever its platform does."""
    term: timedelta = timedelta(days=7)
    """The same for emergencies, notices and reminders, counted from when they were due for the first time."""

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ValueError("A retry policy needs max_attempts >= 1, factor >= 1 and jitter between 0 and 1.")
        if min(self.term, self.reply_term) <= timedelta(0):
            raise ValueError("A retry policy needs terms longer than nothing.")
        if not timedelta(0) < self.first <= self.longest:
            raise ValueError("A retry policy needs 0 < first <= longest.")

    def term_of(self, priority: int) -> timedelta:
        """How long a delivery of this priority may wait for its platform."""
        return self.reply_term if priority == Priority.REPLY else self.term

    def wait(self, attempts: int, random: Random) -> timedelta | None:
        """How long to wait after the `attempts`-th try has failed; None once it was the last."""
        if attempts >= self.max_attempts:
            return None
        try:
            full = min(self.longest, self.first * self.factor ** (attempts - 1))
        except OverflowError:
            full = self.longest
        return full * (1 - self.jitter * random.random())
