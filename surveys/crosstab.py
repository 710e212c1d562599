"""クロス集計: answers to one question by those to others, to any depth, with every margin.

Counts are respondents. Where an axis is a multiple choice, one person stands in several cells and still once in each
margin, so cells may sum to more than their margin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from bot.errors import KairanbanError
from surveys.association import Association, associate
from surveys.definition import Answer, Definition, Multiple, Scale, Sheet, Step, WithOptions
from surveys.suppression import Cell, suppress
from surveys.tabulation import Value, values

BLANK = ""
"""The value of those who left a question blank."""
ALL = None
"""In a place of a cell's key: whatever the answer, the margin."""


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

    def rows(self) -> Iterator[tuple[Value, ...]]:
        """The keys of the rows, outermost question first."""
        return product(*([value for value, _ in axis.values] for axis in self.axes[:-1]))


def cross(
    definition: Definition,
    sheets: Iterable[Sheet],
    rows: Sequence[str],
    column: str,
    *,
    blanks: bool = False,
    threshold: int = 1,
) -> CrossTable:
    """The cross table of step keys. Without `blanks`, whoever left one of its questions blank is left out.

    Raises `CannotTabulate` for a question that is unknown, is named twice or has no options.
    """
    steps = [_step(definition, key) for key in (*rows, column)]
    if not rows or len({step.key for step in steps}) < len(steps):
        raise CannotTabulate("A cross table needs at least two questions, each of them once.")
    axes = tuple(_axis(step, blanks=blanks) for step in steps)
    patterns: Counter[tuple[tuple[Value, ...], ...]] = Counter()
    for sheet in sheets:
        places = tuple(_places(sheet.get(step.key), blanks=blanks) for step in steps)
        if all(places):
            patterns[places] += 1
    counts: dict[Cell, int] = dict.fromkeys(product(*([*(v for v, _ in axis.values), ALL] for axis in axes)), 0)
    for places, count in patterns.items():
        for cell in product(*((*place, ALL) for place in places)):
            counts[cell] += count
    shown = suppress(counts, threshold)
    testable = not any(axis.multiple for axis in axes) and None not in shown.values()
    association = associate(_matrix(axes, counts)) if testable else None
    return CrossTable(axes, shown, association)


def _step(definition: Definition, key: str) -> Step:
    step = definition.by_key.get(key)
    if step is None:
        raise CannotTabulate(f"There is no question {key!r}; there are: {', '.join(definition.by_key)}.")
    if not isinstance(step.question, WithOptions | Scale):
        raise CannotTabulate(f"{key!r} is a {step.question.kind}; a cross table takes choices and scales.")
    return step


def _axis(step: Step, *, blanks: bool) -> Axis:
    own = tuple(values(step, ()))
    return Axis(step.key, step.text, isinstance(step.question, Multiple), (*own, (BLANK, "")) if blanks else own)


def _places(answer: Answer, *, blanks: bool) -> tuple[Value, ...]:
    if answer is None:
        return (BLANK,) if blanks else ()
    return tuple(answer) if isinstance(answer, list) else (answer,)


def _matrix(axes: Sequence[Axis], counts: Mapping[Cell, int]) -> list[list[int]]:
    """Rows by columns without blanks, for the test."""
    inner = [[value for value, _ in axis.values if value != BLANK] for axis in axes]
    return [[counts[(*row, column)] for column in inner[-1]] for row in product(*inner[:-1])]
