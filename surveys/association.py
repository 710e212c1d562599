"""Whether two questions go together: Pearson's chi-square and Cramér's V, with SciPy's distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Association:
    """`chi_square` with `freedom` degrees of freedom, its `p`, and Cramér's `v` from 0 (none) to 1 (complete).

    `low_expected`: more than a fifth of the expected counts lie below 5, or one below 1 (Cochran 1954), so that `p` is
    not to be relied upon. No continuity correction, also for two by two.
    """

    chi_square: float
    freedom: int
    p: float
    v: float
    low_expected: bool


def associate(table: Sequence[Sequence[int]]) -> Association | None:
    """The association in a table of counts; None with fewer than two rows or columns that hold anybody."""
    rows = [row for row in table if any(row)]
    used = [index for index in range(len(table[0])) if any(row[index] for row in rows)] if rows else []
    if len(rows) < 2 or len(used) < 2:
        return None
    observed = [[row[index] for index in used] for row in rows]
    # The distribution alone: SciPy's whole department of statistics takes longer to load than a large survey to count.
    from scipy.special import chdtrc  # noqa: PLC0415 - only who needs it waits for it

    total = sum(map(sum, observed))
    across, down = [sum(row) for row in observed], [sum(column) for column in zip(*observed, strict=True)]
    expected = [one * other / total for one in across for other in down]
    seen = (count for row in observed for count in row)
    chi_square = math.fsum((count - mean) ** 2 / mean for count, mean in zip(seen, expected, strict=True))
    freedom = (len(across) - 1) * (len(down) - 1)
    return Association(
        chi_square=chi_square,
        freedom=freedom,
        p=float(chdtrc(freedom, chi_square)),
        v=math.sqrt(chi_square / (total * (min(len(across), len(down)) - 1))),
        low_expected=min(expected) < 1 or sum(value < 5 for value in expected) > len(expected) / 5,
    )
