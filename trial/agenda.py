"""What is going to happen, by the moment at which it does: the rehearsal's diary in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime

Action = Callable[[], Awaitable[None]]


class Agenda:
    """Actions by moment; those of one moment come out together, in the order in which they were put in."""

    def __init__(self) -> None:
        self._moments: list[datetime] = []
        self._actions: dict[datetime, list[Action]] = {}

    def put(self, moment: datetime, action: Action) -> None:
        """Do `action` at `moment`."""
        if moment not in self._actions:
            self._actions[moment] = []
            heapq.heappush(self._moments, moment)
        self._actions[moment].append(action)

    def next_moment(self) -> datetime | None:
        """When something happens next, or None if nothing is going to."""
        return self._moments[0] if self._moments else None

    def take(self, moment: datetime) -> list[Action]:
        """Everything that was due by `moment`; it is no longer in the diary."""
        due: list[Action] = []
        while self._moments and self._moments[0] <= moment:
            due += self._actions.pop(heapq.heappop(self._moments))
        return due
