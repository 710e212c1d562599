"""Keeps small cells of a cross table back, and as many others as it takes that nobody can compute them.

What a reader can compute is a linear programme: cells are not negative, every margin is the sum of its line, and what
is shown is known. A small cell is safe while, for all the reader knows, it may be `threshold` or more. The margins of
single questions are treated as the simple tables treat them, because the reader has those, too.

Along a multiple choice, cells do not sum to their margin, as one person stands in several; the reader knows that each
of them is at most everybody who answered, and that all of them together are at least as many.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from surveys.tabulation import APART, Value, hide

Cell = tuple[Value | None, ...]
"""One value for each axis; None in a place means the margin over that axis."""

MOST_SMALL_CELLS = 150
"""With more small cells than this the inside of the table is hidden as a whole: it would be mostly holes anyway."""


@dataclass(frozen=True, slots=True)
class Several:
    """What a reader knows of a multiple choice: the values that go with no other, and how many one may choose."""

    alone: frozenset[Value]
    at_most: int


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """What a reader knows before looking: `several` are the axes that are multiple choices, `impossible` the cells
    into which no branch leads."""

    several: Mapping[int, Several] = field(default_factory=dict)
    impossible: frozenset[Cell] = frozenset()


@dataclass(frozen=True, slots=True)
class Line:
    """Cells that a reader can reckon with: times their signs, they sum to nought, or to nought at most."""

    cells: tuple[Cell, ...]
    signs: tuple[int, ...]
    exact: bool = True


def suppress(
    counts: Mapping[Cell, int],
    threshold: int,
    margins: Collection[Cell] | None = None,
    asked: Questionnaire | None = None,
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
    hidden = _hide(counts, threshold, known, asked or Questionnaire())
    return {key: None if key in hidden else count for key, count in counts.items()}


def _hide(counts: Mapping[Cell, int], threshold: int, known: set[Cell], asked: Questionnaire) -> set[Cell]:
    """The cells to hide, where the tables of single questions hide `known`.

    A reader may hold the tables of fewer of these questions, too. So the margins hide at least what those tables hide,
    and the inside is protected against a reader who has them, as far as they leave anything to protect.
    """
    axes = [axis for axis in range(len(next(iter(counts)))) if any(key[axis] is not None for key in counts)]
    hidden, fixed = set(known), {key for key in counts if _depth(key) < max(len(axes), 2)}
    if len(axes) > 2:
        for left_out in axes:
            smaller = {key: count for key, count in counts.items() if key[left_out] is None}
            hidden |= _hide(smaller, threshold, {key for key in known if key[left_out] is None}, asked)
    small = {key for key, count in counts.items() if 0 < count < threshold and key not in fixed}
    hidden |= small
    # What people who chose two things chose of two other questions is more than lines can say.
    beyond = len(small) > MOST_SMALL_CELLS or (bool(small) and sum(axis in asked.several for axis in axes) > 1)
    lines = list(_lines(counts, asked.several))
    if beyond:
        hidden |= counts.keys() - fixed
    elif hidden:
        _protect(counts, hidden, fixed, asked.impossible, threshold, lines)
    if len(axes) > 2 and small:
        singles = {key for key in counts if _depth(key) <= 1}
        if beyond:
            hidden |= counts.keys() - singles
        else:
            _protect(counts, hidden, singles, asked.impossible, threshold, lines)
    return hidden


def _depth(key: Cell) -> int:
    return sum(part is not None for part in key)


def _hidden_in_simple_tables(counts: Mapping[Cell, int], singles: set[Cell], threshold: int) -> set[Cell]:
    hidden: set[Cell] = set()
    for axis in range(len(next(iter(counts)))):
        line = [key for key in counts if key in singles and key[axis] is not None]
        hidden |= {line[place] for place in hide([counts[key] for key in line], threshold)}
    return hidden


def _protect(
    counts: Mapping[Cell, int],
    hidden: set[Cell],
    fixed: Set[Cell],
    impossible: Set[Cell],
    threshold: int,
    lines: Sequence[Line],
) -> None:
    """Hide more until no small cell can be told to be small; grows `hidden`, by nothing of `fixed`.

    A reader knows some cells that are not shown: those that are impossible, and how many a question on a branch did
    not concern, as the question that it stands on may tell. What a reader must hold possible they must hold possible
    whatever else is hidden, so that one look at what may be clears all small cells that may be large in it.
    """
    told = impossible | {cell for cell in counts if _depth(cell) == 1 and APART in cell}
    exact = [line.cells for line in lines if line.exact]
    small = [key for key in hidden - told if 0 < counts[key] < threshold]
    waiting = sorted(small, key=lambda key: (counts[key], repr(key)))
    safe: set[Cell] = set()
    while waiting:
        key = waiting[-1]
        unknown = hidden - told
        if key not in safe:
            possible = _with_most(counts, unknown, lines, key)
            safe.update(cell for cell, count in possible.items() if count >= threshold)
        if key in safe:
            waiting.pop()
            continue
        free = counts.keys() - hidden - fixed - impossible
        # First where a line has a single hole, which its sum fills; then near the cell; then anywhere.
        exposed = {cell for line in exact if sum(part in unknown for part in line) == 1 for cell in line}
        beside = {cell for line in exact if key in line for cell in line}
        choice = free & exposed or free & beside or free
        if not choice:
            waiting.pop()  # everything is hidden: what the simple tables show decides what can be known
            continue
        # The smallest that holds anybody: a nought hides nothing, and a large count is a pity to lose.
        hidden.add(min(choice, key=lambda cell: (counts[cell] == 0, counts[cell], repr(cell))))


def _lines(counts: Mapping[Cell, int], several: Mapping[int, Several]) -> Iterator[Line]:
    """Every margin with the cells that it is made of, once for each direction."""
    by_margin: dict[tuple[int, Cell], list[Cell]] = {}
    for key in counts:
        for axis, part in enumerate(key):
            if part is not None:
                by_margin.setdefault((axis, (*key[:axis], None, *key[axis + 1 :])), []).append(key)
    for (axis, margin), parts in by_margin.items():
        if axis not in several:
            yield Line((margin, *parts), (-1, *[1] * len(parts)))
            continue
        rules = several[axis]
        alone = [cell for cell in parts if cell[axis] in rules.alone]
        chosen = [cell for cell in parts if cell[axis] not in rules.alone]
        for cell in chosen:
            yield Line((margin, cell, *alone), (-1, 1, *[1] * len(alone)), exact=False)
        yield Line((margin, *parts), (1, *[-1] * len(parts)), exact=False)
        signs = (-rules.at_most, *[1] * len(chosen), *[rules.at_most] * len(alone))
        yield Line((margin, *chosen, *alone), signs, exact=False)


def _with_most(
    counts: Mapping[Cell, int], unknown: Set[Cell], lines: Sequence[Line], key: Cell
) -> Mapping[Cell, float]:
    """What the `unknown` cells may hold, for all that can be computed from the others, where `key` holds the most."""
    places = {cell: index for index, cell in enumerate(sorted(unknown, key=repr))}
    rows: dict[bool, list[list[float]]] = {True: [], False: []}
    sums: dict[bool, list[float]] = {True: [], False: []}
    for line in lines:
        if any(cell in places for cell in line.cells):
            row, rest = [0.0] * len(places), 0.0
            for cell, sign in zip(line.cells, line.signs, strict=True):
                if cell in places:
                    row[places[cell]] += sign
                else:
                    rest -= sign * counts[cell]
            rows[line.exact].append(row)
            sums[line.exact].append(rest)
    goal = [0.0] * len(places)
    goal[places[key]] = -1.0
    from scipy.optimize import linprog  # noqa: PLC0415 - only who needs it waits a second for it

    found = linprog(
        goal,
        A_eq=rows[True] or None,
        b_eq=sums[True] or None,
        A_ub=rows[False] or None,
        b_ub=sums[False] or None,
        bounds=(0, None),
        method="highs",
    )
    if found.status == 3:  # without bound
        return {key: float("inf")}
    return {cell: float(found.x[place]) + 1e-6 for cell, place in places.items()} if found.status == 0 else {}
