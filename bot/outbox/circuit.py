"""Whether a platform works at all, concluded from what comes of the calls to it.

    working ──some failures in a row──> doubtful ──and no success for a while──> down
       ^                                   │                                      │
       └──────────────────── a probe succeeds ────────────────────────────────────┘

A doubtful platform gets one call at a time, a probe: so few messages are left of which nobody knows whether they
arrived. A blip ends there, and nobody outside hears of it. What follows from `down`, such as reaching people elsewhere,
is for those who asked the outbox to tell them. One circuit belongs to one adapter in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bot.adapter import Outcome, Retry, Sent
from bot.clock import Clock

State = Literal["working", "doubtful", "down"]

CircuitHook = Callable[[str, "Standing"], None]
"""Called with an adapter's name and where it stands: when it goes down, after each failed probe, and when it is back.

What the calls left behind is in the database by then. The hook must return at once; it rings whoever has work to do.
"""

STALE = timedelta(minutes=1)
"""Failures that lie further apart than this are no row."""


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """When a platform counts as down.

    The defaults name it down half a minute after its first failed call, whether it refuses connections or lets calls
    hang for ten seconds each, and ride out anything shorter than twenty seconds.
    """

    failures: int = 3
    """Failed calls in a row from which on a platform is doubtful."""
    after: timedelta = timedelta(seconds=20)
    """Time without a success, counted from the beginning of the first call that failed, until it is down."""
    probe: timedelta = timedelta(seconds=10)
    """Time between two probes of a platform that is down; a doubtful one is probed every second."""

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise ValueError("A circuit needs at least 1 failure to doubt a platform.")
        if self.after <= timedelta(0) or self.probe <= timedelta(0):
            raise ValueError("A circuit's times must be longer than nothing, such as 20 and 10 seconds.")


TOO_LATE = timedelta(minutes=1)
"""A platform that asks for a longer rest is down for what waits there."""
RESPECTED = timedelta(minutes=5)
"""A rest that is respected to its end; of a longer one, it is asked whether it is over."""
RESTING_PROBE = timedelta(minutes=1)
"""Time between two probes of a platform that asked to be left alone for long."""
DOUBTFUL_PROBE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a platform stands.

    `since` is when the first failed call began, None while it works. `failed_at` is when the latest failed call began:
    what was enqueued after it may still get through.
    """

    state: State = "working"
    since: datetime | None = None
    failed_at: datetime | None = None

    @property
    def is_down(self) -> bool:
        return self.state == "down"


class Circuit:
    """Follows the calls to one platform, and says when the next may begin."""

    def __init__(self, clock: Clock, policy: CircuitPolicy) -> None:
        self._clock = clock
        self._policy = policy
        self._failures = 0
        self._row = 0  # failed calls without a success between them, however far apart
        self._since: datetime | None = None
        self._failed_at: datetime | None = None
        self._probe_at: datetime | None = None
        self.state: State = "working"

    @property
    def standing(self) -> Standing:
        return Standing(self.state, self._since, self._failed_at)

    @property
    def probes(self) -> bool:
        """Whether calls go out one at a time."""
        return self.state != "working"

    @property
    def is_suspect(self) -> bool:
        """Whether a failed call tells of the platform and nothing of what it carried."""
        return self.state != "working" or self._row >= self._policy.failures

    def resume(self, failed_at: datetime) -> None:
        """An earlier process left this platform ill: its last call failed then, as others had before."""
        self._failures = self._row = self._policy.failures
        self._since = self._failed_at = min(failed_at, self._clock.now())
        self.state = "down"

    @property
    def next_at(self) -> datetime | None:
        """The moment from which the next probe may begin; None for at once."""
        return self._probe_at if self._probe_at is not None and self._probe_at > self._clock.now() else None

    def begin(self) -> None:
        """A call begins now; of an ill platform, the next one is to begin some time later."""
        if self.state != "working":
            self._probe_at = self._clock.now() + (self._policy.probe if self.state == "down" else DOUBTFUL_PROBE)

    def note(self, outcomes: Sequence[Outcome], started_at: datetime) -> None:
        """Learn from a call. A rejection and a short wait that the platform asked for tell nothing: it may be well."""
        if self._since is None and type(outcomes[0]) is Sent:
            return  # how it goes nearly always, and for every single message
        if any(type(outcome) is Sent for outcome in outcomes):
            if self._since is not None:
                self._work_again()
        elif any(_rests_too_long(outcome) for outcome in outcomes):
            self._since = self._since or started_at
            self._failed_at = started_at if self._failed_at is None else max(self._failed_at, started_at)
            self._failures = max(self._failures, self._policy.failures)
            self.state = "down"
            asked = max(each.after for each in outcomes if type(each) is Retry and each.after is not None)
            self._probe_at = self._clock.now() + (asked if asked <= RESPECTED else RESTING_PROBE)
        elif any(type(outcome) is Retry and outcome.after is None for outcome in outcomes):
            self._fail(started_at)

    def shift(self, by: timedelta) -> None:
        """The clock was set by `by`: what is waited for takes as long as before."""
        self._since, self._failed_at, self._probe_at = (
            moment and moment + by for moment in (self._since, self._failed_at, self._probe_at)
        )

    def _work_again(self) -> None:
        self.state = "working"
        self._failures = self._row = 0
        self._since = self._failed_at = self._probe_at = None

    def _fail(self, started_at: datetime) -> None:
        stale = self.state != "down" and self._failed_at is not None and started_at - self._failed_at > STALE
        row = self._row
        if self._since is None or stale:
            self._work_again()
            self._since = started_at
        self._failures += 1
        self._row = row + 1
        self._failed_at = started_at if self._failed_at is None else max(self._failed_at, started_at)
        if self._failures < self._policy.failures:
            return
        if self.state == "working":
            self.state = "doubtful"
        if self._clock.now() - self._since >= self._policy.after:
            self.state = "down"


def _rests_too_long(outcome: Outcome) -> bool:
    return type(outcome) is Retry and outcome.after is not None and outcome.after > TOO_LATE
