"""What is claimed and waits for its call: in which order it goes, and what goes together."""

from __future__ import annotations

from collections.abc import Sequence

from bot.messages import Priority
from bot.outbox.store import Claimed


class Ready:
    """The claimed deliveries of one adapter; the next to go stands at the end of `all`."""

    def __init__(self) -> None:
        self.all: list[Claimed] = []

    @property
    def is_urgent(self) -> bool:
        return bool(self.all) and self.all[-1].priority <= Priority.EMERGENCY

    def add(self, claimed: Sequence[Claimed]) -> None:
        """Take in more, in the order in which it was claimed."""
        # Both parts are in order already, so sorting merges them.
        self.all = sorted([*self.all, *reversed(claimed)], key=lambda each: each.rank, reverse=True)

    def next_call(self) -> list[Claimed]:
        """What goes into the next call. Those that share one are never parted, not even for a probe."""
        if not self.all:
            return []
        name = self.all[-1].delivery.shared_call
        if name is None:
            return [self.all[-1]]
        return [each for each in reversed(self.all) if each.delivery.shared_call == name]

    def take(self) -> list[Claimed]:
        """The next call, which waits no longer: one delivery, or with multicast those that say the same."""
        batch = self.next_call()
        if len(batch) == 1:
            self.all.pop()
        else:
            self.all, _ = self.parted()
        return batch

    def parted(self) -> tuple[list[Claimed], list[Claimed]]:
        """What is ready, without the next call, and the next call, both in the order of `all`."""
        chosen = {each.delivery.id for each in self.next_call()}
        rest = [each for each in self.all if each.delivery.id not in chosen]
        return rest, [each for each in self.all if each.delivery.id in chosen]
