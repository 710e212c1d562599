"""How far and how fast notices reached people: pairs of a recipient and a notice, put together by any sign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from trial.evaluation.facts import Wait

Sign = TypeVar("Sign", bound=Hashable)


@dataclass(slots=True)
class Reach:
    """Recipients of some notices, each counted once a notice, and after how many whole minutes they had read it."""

    recipients: int = 0
    minutes: Counter[int] = field(default_factory=Counter)
    notices: set[int] = field(default_factory=set)

    @property
    def read(self) -> int:
        return self.minutes.total()

    def add(self, wait: Wait) -> None:
        self.recipients += wait.people
        self.notices.add(wait.notice)
        if wait.minutes is not None:
            self.minutes[wait.minutes] += wait.people

    def within(self, minutes: int) -> int:
        """How many had read that long after the sending."""
        return sum(people for late, people in self.minutes.items() if late <= minutes)

    def until(self, percent: int) -> int | None:
        """The minutes after which so many in a hundred recipients had read; None if so many never did.

        Those who never read count as recipients, so the figure cannot be improved by leaving them out.
        """
        needed = -(-percent * self.recipients // 100)
        if not self.recipients or needed > self.read:
            return None
        reached = 0
        for late in sorted(self.minutes):
            reached += self.minutes[late]
            if reached >= needed:
                return late
        raise AssertionError("The minutes add up to all who read.")


def together(waits: Iterable[Wait], sign: Callable[[Wait], Sign]) -> dict[Sign, Reach]:
    """The reach of all waits that share a sign, in the order in which the signs first come."""
    found: dict[Sign, Reach] = {}
    for wait in waits:
        found.setdefault(sign(wait), Reach()).add(wait)
    return found
