"""Keeps small cells of a cross table back, and as many others as it takes that nobody can compute them.

What a reader can compute is a linear programme: cells are not negative, every margin is the sum of its line, and what
is shown is known. A small cell is safe while, for all the reader knows, it may be `threshold` or more. The margins of
single questions are treated as the simple tables treat them, because the reader has those, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from surveys.tabulation import Value, hide

Cell = tuple[Value | None, ...]
"""One value for each axis; None in a place means the margin over that axis."""

MOST_SMALL_CELLS = 150
"""With more small cells than this the inside of the table is hidden as a whole: it would be mostly holes anyway."""


def suppress(
    counts: Mapping[Cell, int], threshold: int, margins: Collection[Cell] | None = None
) -> dict[Cell, int | None]:
    """`counts` of a cube with all its margins; those that must not be shown are None.

    `margins` are the counts of single questions that the simple tables hide; without them, what `hide` would hide.
    """
    if threshold <= 1:
        return dict(counts)
    total = next(key for key in counts if _depth(key) == 0)
    if counts[total] < threshold:
        return dict.fromkeys(counts)
    singles = {key for key in counts if _depth(key) <= 1}
    known = _hidden_in_simple_tables(counts, singles, threshold) if margins is None else set(margins)
    hidden = _hide(counts, threshold, known)
    return {key: None if key in hidden else count for key, count in counts.items()}


def _hide(counts: Mapping[Cell, int], threshold: int, known: set[Cell]) -> set[Cell]:
    """The cells to hide, where the tables of single questions hide `known`.

    A reader may hold the tables of fewer of these questions, too. So the margins hide at least what those tables hide,
    and the inside is protected against a reader who has them, as far as they leave anything to protect.
    """
    axes = [axis for axis in range(len(next(iter(counts)))) if any(key[axis] is not None for key in counts)]
    hidden, fixed = set(known), {key for key in counts if _depth(key) < max(len(axes), 2)}
    if len(axes) > 2:
        for left_out in axes:
            smaller = {key: count for key, count in counts.items() if key[left_out] is None}
            hidden |= _hide(smaller, threshold, {key for key in known if key[left_out] is None})
    small = {key for key, count in counts.items() if 0 < count < threshold and key not in fixed}
    hidden |= small
    if len(small) > MOST_SMALL_CELLS:
        hidden |= counts.keys() - fixed
    elif hidden:
        _protect(counts, hidden, fixed, threshold)
    if len(axes) > 2 and small:
        singles = {key for key in counts if _depth(key) <= 1}
        if len(small) > MOST_SMALL_CELLS:
            hidden |= counts.keys() - singles
        else:
            _protect(counts, hidden, singles, threshold)
    return hidden


def _depth(key: Cell) -> int:
    return sum(part is not None for part in key)


def _hidden_in_simple_tables(counts: Mapping[Cell, int], singles: set[Cell], threshold: int) -> set[Cell]:
    hidden: set[Cell] = set()
    for axis in range(len(next(iter(counts)))):
        line = [key for key in counts if key in singles and key[axis] is not None]
        hidden |= {line[place] for place in hide([counts[key] for key in line], threshold)}
    return hidden


def _protect(counts: Mapping[Cell, int], hidden: set[Cell], fixed: set[Cell], threshold: int) -> None:
    """Hide more until no small cell can be told to be small; grows `hidden`."""
    lines = list(_lines(counts))
    small = [key for key in hidden if 0 < counts[key] < threshold]
    waiting = sorted(small, key=lambda key: (counts[key], repr(key)))
    while waiting:
        key = waiting[-1]
        if _most(counts, hidden, lines, key) >= threshold:
            waiting.pop()
            continue
        free = counts.keys() - hidden - fixed
        # First where a line has a single hole, which its sum fills; then near the cell; then anywhere.
        exposed = {cell for line in lines if sum(part in hidden for part in line) == 1 for cell in line}
        beside = {cell for line in lines if key in line for cell in line}
        choice = free & exposed or free & beside or free
        if not choice:
            waiting.pop()  # everything is hidden: what the simple tables show decides what can be known
            continue
        # The smallest that holds anybody: a nought hides nothing, and a large count is a pity to lose.
        hidden.add(min(choice, key=lambda cell: (counts[cell] == 0, counts[cell], repr(cell))))


def _lines(counts: Mapping[Cell, int]) -> Iterator[tuple[Cell, ...]]:
    """Every margin followed by the cells that sum to it, once for each direction in which it is a sum."""
    by_margin: dict[tuple[int, Cell], list[Cell]] = {}
    for key in counts:
        for axis, part in enumerate(key):
            if part is not None:
                by_margin.setdefault((axis, (*key[:axis], None, *key[axis + 1 :])), []).append(key)
    for (_, margin), parts in by_margin.items():
        yield margin, *parts


def _most(
    counts: Mapping[Cell, int],
    hidden: set[Cell],
    lines: Sequence[tuple[Cell, ...]],
    key: Cell,
) -> float:
    """The most that the hidden cell `key` may hold, for all that can be computed from what is shown."""
    unknown = {cell: index for index, cell in enumerate(sorted(hidden, key=repr))}
    equations: list[list[float]] = []
    sums: list[float] = []
    for margin, *parts in lines:
        if margin in unknown or any(part in unknown for part in parts):
            row = [0.0] * len(unknown)
            rest = 0.0
            for cell, sign in ((margin, -1.0), *((part, 1.0) for part in parts)):
                if cell in unknown:
                    row[unknown[cell]] += sign
                else:
                    rest -= sign * counts[cell]
            equations.append(row)
            sums.append(rest)
    goal = [0.0] * len(unknown)
    goal[unknown[key]] = -1.0
    from scipy.optimize import linprog  # noqa: PLC0415 - only who needs it waits a second for it

    found = linprog(goal, A_eq=equations, b_eq=sums, bounds=(0, None), method="highs")
    # A table in which people stand in several cells need not sum up; then nothing can be computed from its sums.
    return float("inf") if found.status != 0 else -float(found.fun) + 1e-6
