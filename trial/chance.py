"""Chance that can be repeated: one independent stream for each purpose, all from the trial's seed.

A stream depends on its names alone, never on what was drawn before, so that the order in which a busy event loop
gets round to people changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from random import Random
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def stream(seed: int, *names: object) -> Random:
    """The random stream of these names: `stream(seed, "read", "100023", "broadcast:4")`."""
    return Random("\x1f".join(map(str, (seed, *names))))


def delay(random: Random, median: float, spread: float) -> float:
    """A lognormal waiting time in the unit of `median`; `spread` is the standard deviation of its logarithm."""
    return median * math.exp(random.gauss(0.0, spread))


def share_out(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in whole parts by weight, largest remainder first (Hare's quota); ties go to the earlier part.

    The weights themselves come back when `total` is their sum.
    """
    whole = sum(weights)
    if total < 0 or whole <= 0 or min(weights) < 0:
        raise ValueError("Give a total of 0 or more, and weights of 0 or more that are not all 0.")
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -(total * weights[index] % whole))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def spread_labels(total: int, margin: Mapping[K, int]) -> list[K]:
    """`total` labels whose counts follow `margin`, in its order."""
    return [
        label
        for label, count in zip(margin, share_out(total, list(margin.values())), strict=True)
        for _ in range(count)
    ]
