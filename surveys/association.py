"""Whether two questions go together: Pearson's chi-square and Cramér's V, computed by SciPy."""

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
    from scipy.stats import chi2_contingency  # noqa: PLC0415 - only who needs it waits a second for it

    result = chi2_contingency(observed, correction=False)
    expected = [float(value) for row in result.expected_freq for value in row]
    total = sum(map(sum, observed))
    return Association(
        chi_square=float(result.statistic),
        freedom=int(result.dof),
        p=float(result.pvalue),
        v=math.sqrt(float(result.statistic) / (total * (min(len(rows), len(used)) - 1))),
        low_expected=min(expected) < 1 or sum(value < 5 for value in expected) > len(expected) / 5,
    )
