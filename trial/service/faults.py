"""Misbehaviour on request, so that a bot can be shown to survive it. Off unless the administrator turns it on."""

from __future__ import annotations

import random
from typing import Literal

from trial.service.models import Faults

Fault = Literal["rate_limited", "error", "hang", "cut"]
KINDS: tuple[Fault, ...] = ("rate_limited", "error", "hang", "cut")


class Misbehaviour:
    """Draws what goes wrong with the next bot call: the same seed and the same order of calls, the same faults."""

    def __init__(self) -> None:
        self.set(Faults())

    def set(self, faults: Faults) -> None:
        """Begin anew with these probabilities and this seed."""
        self._faults = faults
        self._random = random.Random(faults.seed)

    def draw(self) -> Fault | None:
        """What goes wrong this time, if anything."""
        point = self._random.random()
        for kind in KINDS:
            point -= getattr(self._faults, kind)
            if point < 0:
                return kind
        return None
