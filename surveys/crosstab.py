"""クロス集計: answers to one question by those to others, to any depth, with every margin.

Counts are respondents. Where an axis is a multiple choice, one person stands in several cells and still once in each
margin, so cells may sum to more than their margin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from operator import methodcaller
from typing import cast

from bot.errors import KairanbanError
from surveys.association import Association, associate
from surveys.definition import Definition, Multiple, Scale, Sheet, Step, WithOptions, accepted
from surveys.suppression import Cell, Questionnaire, Several, suppress
from surveys.tabulation import APART, BLANK, Columns, SimpleTable, Tally, Value, alone, columns, values

ALL = None
"""In a place of a cell's key: whatever the answer, the margin."""
_NO_ANSWER = frozenset({BLANK, APART})
MOST_CELLS = 20_000
"""Cells of one table, margins included."""


class CannotTabulate(KairanbanError):
    """A cross table was asked for that cannot be made; the text says which question is at fault."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One question of a cross table, with its values and their labels in order."""

    key: str
    text: str
    multiple: bool
    values: tuple[tuple[Value, str], ...]


@dataclass(frozen=True, slots=True)
class CrossTable:
    """Counts by every combination of the axes; the last axis makes the columns, the others the rows.

    `counts` has a key for every cell and every margin; None is a count that is hidden. `association` is None where the
    test makes no sense: a multiple choice, hidden counts, or fewer than two rows or columns with answers.
    """

    axes: tuple[Axis, ...]
    counts: Mapping[Cell, int | None]
    association: Association | None

    @property
    def columns(self) -> Axis:
        return self.axes[-1]

    @property
    def total(self) -> int | None:
        """Everyone in the table."""
        return self.counts[(ALL,) * len(self.axes)]

    def share(self, cell: Cell) -> float | None:
        """The part of its row that a cell holds; None where either is hidden or the row holds nobody."""
        count, whole = self.counts[cell], self.counts[(*cell[:-1], ALL)]
        return None if count is None or not whole else count / whole

    def rows(self) -> Iterator[tuple[Value, ...]]:
        """The keys of the rows, outermost question first."""
        return product(*([value for value, _ in axis.values] for axis in self.axes[:-1]))


class CrossTally:
    """Counts sheets into one cross table as they pass by; holds the patterns of answers that occur, and no sheet.

    The axes are step keys. Without `blanks`, whoever left one of the questions blank, or was not concerned by it, is
    left out. Raises `CannotTabulate` for a question that is unknown, is named twice or has no options.
    """

    def __init__(self, definition: Definition, rows: Sequence[str], column: str, *, blanks: bool = False) -> None:
        self._definition = definition
        self._steps = [_step(definition, key) for key in (*rows, column)]
        if not rows or len({step.key for step in self._steps}) < len(self._steps):
            raise CannotTabulate("A cross table needs at least two questions, each of them once.")
        if prod(len(_axis(step).values) for step in self._steps) > MOST_CELLS:
            raise CannotTabulate(f"A cross table of more than {MOST_CELLS:,} cells tells nobody anything; take fewer.")
        self.keys = tuple(step.key for step in self._steps)
        self._blanks = blanks
        self._patterns: Counter[tuple[object, ...]] = Counter()
        self._tally = Tally(definition, self.keys)

    def add(self, sheets: Sequence[Sheet], together: Columns | None = None) -> None:
        """Count finished sheets; `together` are their `columns`, if somebody has them already."""
        together = columns(sheets) if together is None else together
        self._tally.add(sheets, together)
        self._patterns.update(zip(*(self._answers(step, sheets, together) for step in self._steps), strict=True))

    @staticmethod
    def _answers(step: Step, sheets: Sequence[Sheet], together: Columns) -> Iterable[object]:
        found: Iterable[object] = together.get(step.key, ())
        if not found:
            found = map(methodcaller("get", step.key, BLANK if step.question.when is None else APART), sheets)
        if isinstance(step.question, Multiple):
            return (tuple(answer) if isinstance(answer, list) else answer for answer in found)
        return found

    def table(self, *, threshold: int = 1) -> CrossTable:
        """The table; counts below `threshold` are hidden, with as many others as it takes to keep them so.

        Where something may be hidden, everybody is in the table: the difference to the simple tables would tell how
        those answered who left the other question blank.
        """
        everybody = self._blanks or threshold > 1
        axes = tuple(_axis(step, blanks=everybody) for step in self._steps)
        counts: dict[Cell, int] = dict.fromkeys(product(*([*(v for v, _ in axis.values), ALL] for axis in axes)), 0)
        for pattern, count in self._patterns.items():
            places = [_places(answer, everybody) for answer in pattern]
            if all(places):
                for cell in product(*((*place, ALL) for place in places)):
                    counts[cell] += count
        shown = dict[Cell, int | None](counts)
        if threshold > 1:
            impossible = frozenset(cell for cell in counts if not self._possible(cell))
            asked = Questionnaire(self._several(), impossible)
            tables = {table.key: table for table in self._tally.tables(threshold=threshold)}
            shown = suppress(counts, threshold, self._hidden_margins(axes, tables), asked)
            for place in self._withheld(tables):
                shown |= {cell: None for cell in counts if cell[place] is not ALL}
        testable = not any(axis.multiple for axis in axes) and None not in shown.values()
        return CrossTable(axes, shown, associate(_matrix(axes, counts)) if testable else None)

    def _several(self) -> dict[int, Several]:
        """What the questionnaire says of the axes that are multiple choices."""
        found: dict[int, Several] = {}
        for place, step in enumerate(self._steps):
            if isinstance(step.question, Multiple):
                at_most = step.question.at_most or len(step.question.options)
                found[place] = Several(frozenset[Value](alone(step)) | {BLANK, APART}, at_most)
        return found

    def _possible(self, cell: Cell) -> bool:
        """Whether the branches of the questionnaire lead anybody into a cell."""
        given = dict(zip(self.keys, cell, strict=True))
        for step, value in zip(self._steps, cell, strict=True):
            direct, when = True, step.question.when
            while when is not None and value is not ALL:
                earlier = self._definition.by_key[when.question].question
                answer = given.get(when.question, ALL)
                if answer is not ALL:
                    leads = answer in accepted(earlier, when)
                    # One answer out of several may lead into a branch that another one does not.
                    others = isinstance(earlier, Multiple) and answer not in _NO_ANSWER
                    if (value != APART and not leads and not others) or (value == APART and leads and direct):
                        return False
                direct, when = False, earlier.when
        return True

    def _withheld(self, tables: Mapping[str, SimpleTable]) -> Iterator[int]:
        """Axes of which nothing may be seen: how many they concern would tell a hidden count of an earlier question.

        Where that question is in the table, too, its counts are protected like all others.
        """
        for place, step in enumerate(self._steps):
            when = step.question.when
            while when is not None and tables[step.key].asked is None:
                if when.question not in self.keys:
                    yield place
                    break
                when = self._definition.by_key[when.question].question.when

    @staticmethod
    def _hidden_margins(axes: Sequence[Axis], tables: Mapping[str, SimpleTable]) -> set[Cell]:
        """What the simple tables hide must be hidden here, and nothing else of a single question can be."""
        hidden: set[Cell] = set()
        for place, axis in enumerate(axes):
            table = tables[axis.key]
            kept: list[Value] = [row.value for row in table.rows if row.count is None]
            kept += [BLANK] if table.blank is None else []
            kept += [APART] if table.asked is None else []
            hidden |= {(*[ALL] * place, value, *[ALL] * (len(axes) - place - 1)) for value in kept}
        return hidden


def cross(
    definition: Definition,
    sheets: Iterable[Sheet],
    rows: Sequence[str],
    column: str,
    *,
    blanks: bool = False,
    threshold: int = 1,
) -> CrossTable:
    """The cross table of step keys, as `CrossTally` counts it."""
    tally = CrossTally(definition, rows, column, blanks=blanks)
    tally.add(list(sheets))
    return tally.table(threshold=threshold)


def _step(definition: Definition, key: str) -> Step:
    step = definition.by_key.get(key)
    if step is None:
        raise CannotTabulate(f"There is no question {key!r}; there are: {', '.join(definition.by_key)}.")
    if not isinstance(step.question, WithOptions | Scale):
        raise CannotTabulate(f"{key!r} is a {step.question.kind}; a cross table takes choices and scales.")
    return step


def _axis(step: Step, *, blanks: bool = False) -> Axis:
    lines = list(values(step, ()))
    if blanks:
        lines += [(BLANK, "")] if step.question.when is None else [(BLANK, ""), (APART, "")]
    return Axis(step.key, step.text, isinstance(step.question, Multiple), tuple(lines))


def _places(answer: object, everybody: bool) -> tuple[Value, ...]:
    if answer is None or answer in _NO_ANSWER:
        return (APART if answer == APART else BLANK,) if everybody else ()
    return answer if isinstance(answer, tuple) else (cast(Value, answer),)


def _matrix(axes: Sequence[Axis], counts: Mapping[Cell, int]) -> list[list[int]]:
    """Rows by columns without blanks, for the test."""
    inner = [[value for value, _ in axis.values if value not in _NO_ANSWER] for axis in axes]
    return [[counts[(*row, column)] for column in inner[-1]] for row in product(*inner[:-1])]
