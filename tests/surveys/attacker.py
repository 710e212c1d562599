"""Somebody who holds every table of a survey that was handed out, and reckons what they were not told.

What they do not know is how many people gave each possible sheet: a number for each, not negative. Whatever was
published is a sum of such numbers, so the least and the most that anything can be are two linear programmes. Nothing
of how the house hides is used here; the attacker reads the papers, knows the questionnaire, and knows that what is
hidden is hidden for a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from surveys.crosstab import ALL, CrossTable
from surveys.definition import Answer, Definition, Multiple, Scale, Step, WithOptions
from surveys.tabulation import APART, BLANK, SimpleTable

Pattern = Mapping[str, Answer]
Meets = Callable[[Pattern], bool]
Weight = Callable[[Pattern], float]
Numbers = NDArray[np.float64]


def _one(_: Pattern) -> float:
    return 1.0


class Attacker:
    """Knows the questionnaire; learns from tables."""

    def __init__(self, definition: Definition, keys: Sequence[str]) -> None:
        steps = [step for step in definition.steps if step.key in keys]
        self._definition = definition
        sheets = (definition.cleaned(one) for one in _possible(steps))
        self.patterns = list({repr(one): one for one in sheets}.values())
        self._equations: list[Numbers] = []
        self._sums: list[float] = []

    def learn(self, meets: Meets, count: float, *, weigh: Weight = _one) -> None:
        """So many people (or `weigh` of them) gave a sheet that meets a condition."""
        self._equations.append(self._row(meets, weigh))
        self._sums.append(float(count))

    def read_simple(self, tables: Iterable[SimpleTable]) -> None:
        """Read simple tables: counts, shares, means."""
        for table in tables:
            step = self._definition.by_key[table.key]
            concerned = self._concerned(step)
            answered = self._answered(step)
            for number, meets in ((table.asked, concerned), (table.answered, answered)):
                if number is not None:
                    self.learn(meets, number)
            if table.blank is not None:
                self.learn(self.chose(table.key, BLANK), table.blank)
            for row in table.rows:
                chose = self.chose(table.key, row.value)
                if row.count is not None:
                    self.learn(chose, row.count)
                base = concerned if table.base == "asked" else answered
                if row.share is not None:  # chosen - share * base = 0
                    self._relate(chose, base, row.share)
            if table.mean is not None:
                self.learn(answered, 0, weigh=partial(_off, table.key, table.mean))

    def read_cross(self, table: CrossTable) -> None:
        """Read a cross table: cells, margins, and the shares that are printed below it."""
        for cell, count in table.counts.items():
            meets = self.in_cell(table, cell)
            if count is not None:
                self.learn(meets, count)
            share = table.share(cell)
            if share is not None:
                self._relate(meets, self.in_cell(table, (*cell[:-1], ALL)), share)

    def bounds(self, meets: Meets) -> tuple[float, float]:
        """The least and the most people who can have given a sheet that meets a condition."""
        goal = self._row(meets, _one)
        if not self._equations:
            return 0.0, float("inf")
        rows, sums = np.array(self._equations), np.array(self._sums)
        least, most = (linprog(sign * goal, A_eq=rows, b_eq=sums, bounds=(0, None), method="highs") for sign in (1, -1))
        assert least.status == 0, least.message  # what was published is true, so something fits
        return float(least.fun), float("inf") if most.status == 3 else -float(most.fun)

    def chose(self, key: str, value: object) -> Meets:
        """Sheets on which somebody chose an option of a question, left it blank, or was not asked it."""
        step = self._definition.by_key[key]
        if value == APART:
            return lambda one: key not in one
        if value == BLANK:
            return lambda one: key in one and one[key] is None
        if isinstance(step.question, Multiple):
            return lambda one: value in (one.get(key) or ())  # type: ignore[operator] # a multiple choice is a list
        return lambda one: one.get(key) == value

    def in_cell(self, table: CrossTable, cell: Sequence[object]) -> Meets:
        """Sheets that are counted in a cell."""
        conditions = [
            self.chose(axis.key, value) for axis, value in zip(table.axes, cell, strict=True) if value is not ALL
        ]
        return lambda one: all(meets(one) for meets in conditions)

    def _concerned(self, step: Step) -> Meets:
        return lambda one: step.key in one

    def _answered(self, step: Step) -> Meets:
        return lambda one: one.get(step.key) is not None

    def _relate(self, part: Meets, whole: Meets, share: float) -> None:
        row = self._row(part, _one) - share * self._row(whole, _one)
        self._equations.append(row)
        self._sums.append(0.0)

    def _row(self, meets: Meets, weigh: Weight) -> Numbers:
        return np.array([weigh(one) if meets(one) else 0.0 for one in self.patterns])


def _off(key: str, mean: float, sheet: Pattern) -> float:
    """How far an answer on a scale lies from the mean."""
    answer = sheet[key]
    assert isinstance(answer, int)
    return answer - mean


def _possible(steps: Sequence[Step]) -> Iterator[dict[str, Answer]]:
    """Every sheet that the questionnaire allows, branches not yet looked at."""
    for answers in product(*(_answers(step) for step in steps)):
        yield dict(zip((step.key for step in steps), answers, strict=True))


def _answers(step: Step) -> list[Answer]:
    question = step.question
    if isinstance(question, Scale):
        return [None, *range(question.low, question.high + 1)]
    assert isinstance(question, WithOptions)
    codes = range(1, len(question.options) + 1)
    if not isinstance(question, Multiple):
        return [None, *codes]
    exclusive = {code for code, option in zip(codes, question.options, strict=True) if option.exclusive}
    most = question.at_most or len(codes)
    sets = (list(chosen) for size in range(1, most + 1) for chosen in combinations(codes, size))
    return [None, *(chosen for chosen in sets if len(chosen) == 1 or exclusive.isdisjoint(chosen))]
