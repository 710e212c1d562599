"""Counts answers: 単純集計, one table a step, in a single pass over the sheets.

A table keeps the codes of the definition, so that tables of several months stand beside each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import methodcaller
from typing import Literal, cast

from surveys.definition import (
    OTHER,
    Answer,
    Definition,
    FreeText,
    Multiple,
    Scale,
    Sheet,
    Step,
    WithOptions,
    accepted,
    scale_label,
)

Value = int | float | str
Base = Literal["answered", "asked"]
Columns = Mapping[str, Sequence[Answer]]
BLANK = ""
"""The value of those who left a question blank."""
APART = "-"
"""The value of those whom a question on a branch did not concern."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a simple table.

    `count` is None where it is hidden as too small; `share` is over respondents (see `SimpleTable.base`),
    `vote_share` over all marks that were made, which differs only in a multiple choice.
    """

    value: Value
    label: str
    count: int | None
    share: float | None
    vote_share: float | None


@dataclass(frozen=True, slots=True)
class SimpleTable:
    """The answers to one step.

    `asked`: finished sheets of those whom the question concerned; `answered` of them said something, the others are
    `blank` (each None where hidden). `mean` and `median` are those of a scale or a number, None where a count is
    hidden: an average and a total together would give the hidden counts away. `words` are the free texts, sorted.
    """

    key: str
    text: str
    kind: str
    base: Base
    asked: int | None
    answered: int | None
    blank: int | None
    rows: tuple[Row, ...]
    mean: float | None = None
    median: float | None = None
    words: tuple[str, ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether any figure of the table is kept back."""
        return self.blank is None or any(row.count is None for row in self.rows)


class Tally:
    """Counts sheets as they pass by, batch after batch; holds no sheet, only counts and free texts.

    Without `keys`, every step is counted; else these, and silently those that they depend on.
    """

    def __init__(self, definition: Definition, keys: Collection[str] | None = None) -> None:
        self._definition = definition
        self._keys = definition.by_key.keys() if keys is None else frozenset(keys)
        counted = self._keys | _needed(definition, self._keys)
        self._steps = tuple(step for step in definition.steps if step.key in counted)
        self._asked: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._counts: dict[str, Counter[Value]] = {step.key: Counter() for step in self._steps}
        self._words: dict[str, list[str]] = {}
        self.sheets = 0

    def add(self, sheets: Sequence[Sheet], together: Columns | None = None) -> None:
        """Count finished sheets; `together` are their `columns`, if somebody has them already."""
        self.sheets += len(sheets)
        together = columns(sheets) if together is None else together
        for step in self._steps:
            concerned = sheets
            if step.question.when is not None:
                concerned = [sheet for sheet in sheets if self._definition.applies(step, sheet)]
            self._asked[step.key] += len(concerned)
            if concerned is sheets and step.key in together:
                self._count(step, together[step.key])
            else:
                self._count(step, list(map(methodcaller("get", step.key), concerned)))
            if isinstance(step.question, WithOptions) and any(option.other for option in step.question.options):
                self._hear(step, map(methodcaller("get", step.key + OTHER), concerned))

    def _count(self, step: Step, answers: Sequence[Answer]) -> None:
        # Two million answers are counted here, so the loops are those of the interpreter.
        self._answered[step.key] += len(answers) - answers.count(None)
        if isinstance(step.question, FreeText):
            self._hear(step, answers)
        elif isinstance(step.question, Multiple):
            self._counts[step.key].update(chain.from_iterable(cast(Iterable[list[int]], filter(None, answers))))
        else:
            counts = cast(Counter[Value | None], self._counts[step.key])
            counts.update(cast(Sequence[Value | None], answers))
            del counts[None]

    def _hear(self, step: Step, answers: Iterable[Answer]) -> None:
        self._words.setdefault(step.key, []).extend(str(answer) for answer in answers if answer is not None)

    def tables(self, *, base: Base = "answered", threshold: int = 1) -> tuple[SimpleTable, ...]:
        """One table a step; counts below `threshold` are hidden, with as many others as it takes to keep them so."""
        found: dict[str, SimpleTable] = {}
        for step in self._steps:
            table = self._table(step, base)
            if threshold > 1:
                table = _keep_back(table) if self._tells(step, found) else _hide(step, table, threshold)
            found[step.key] = table
        return tuple(table for key, table in found.items() if key in self._keys)

    def _tells(self, step: Step, found: Mapping[str, SimpleTable]) -> bool:
        """Whether the number of those who took this branch would give a hidden count of the earlier question away."""
        when = step.question.when
        if when is None:
            return False
        codes = accepted(self._definition.by_key[when.question].question, when)
        earlier = found[when.question]
        return earlier.asked is None or any(row.count is None for row in earlier.rows if row.value in codes)

    def _table(self, step: Step, base: Base) -> SimpleTable:
        counts = self._counts[step.key]
        asked, answered = self._asked[step.key], self._answered[step.key]
        whole, votes = asked if base == "asked" else answered, counts.total()
        rows = tuple(
            Row(value, label, counts[value], _share(counts[value], whole), _share(counts[value], votes))
            for value, label in values(step, counts)
        )
        numeric = step.question.kind in {"scale", "number"}
        return SimpleTable(
            key=step.key,
            text=step.text,
            kind=step.question.kind,
            base=base,
            asked=asked,
            answered=answered,
            blank=asked - answered,
            rows=rows,
            mean=mean(counts) if numeric else None,
            median=median(counts) if numeric else None,
            words=tuple(sorted(self._words.get(step.key, ()))),
        )


def simple(
    definition: Definition, sheets: Iterable[Sheet], *, base: Base = "answered", threshold: int = 1
) -> tuple[SimpleTable, ...]:
    """The simple table of every step."""
    tally = Tally(definition)
    tally.add(list(sheets))
    return tally.tables(base=base, threshold=threshold)


def columns(sheets: Sequence[Sheet]) -> Columns:
    """The answers to each question, in the order of the sheets, where all sheets hold the same ones; else nothing.

    Sheets turned round as a whole take a quarter of the time of looking each answer up.
    """
    layouts = {tuple(sheet) for sheet in sheets}
    if len(layouts) != 1:
        return {}
    return dict(zip(layouts.pop(), zip(*(sheet.values() for sheet in sheets), strict=True), strict=True))


def values(step: Step, seen: Iterable[Value]) -> Iterator[tuple[Value, str]]:
    """The lines of a step's table: every option and every point of a scale, or else the values that occur."""
    question = step.question
    if isinstance(question, WithOptions):
        yield from ((code, option.label) for code, option in enumerate(question.options, start=1))
    elif isinstance(question, Scale):
        yield from ((value, scale_label(question, value)) for value in range(question.low, question.high + 1))
    else:
        yield from ((value, str(value)) for value in sorted(seen, key=lambda value: (isinstance(value, str), value)))


def mean(counts: Mapping[Value, int]) -> float | None:
    """The average of numbers given as value to count."""
    total = sum(counts.values())
    return sum(float(value) * count for value, count in counts.items()) / total if total else None


def median(counts: Mapping[Value, int]) -> float | None:
    """The middle of numbers given as value to count; between two middles, half way."""
    total = sum(counts.values())
    if not total:
        return None
    ordered = sorted((float(value), count) for value, count in counts.items() if count)

    def at(position: int) -> float:
        for value, count in ordered:
            position -= count
            if position < 0:
                return value
        raise AssertionError

    return (at((total - 1) // 2) + at(total // 2)) / 2


def hide(counts: Sequence[int], threshold: int) -> frozenset[int]:
    """Positions to hide in a line of counts whose total is known, so that none below `threshold` can be worked out.

    Counts from 1 to `threshold` - 1 are small. What is hidden must be two counts at least and sum to `threshold` at
    least: the smallest of the rest join until it is so. A line that is too small as a whole is hidden altogether.
    """
    hidden = {place for place, count in enumerate(counts) if 0 < count < threshold}
    if not hidden:
        return frozenset()
    rest = sorted((count, place) for place, count in enumerate(counts) if place not in hidden)
    # A nought keeps no secret: it joins only when nothing else is left.
    for _, place in [pair for pair in rest if pair[0]] + [pair for pair in rest if not pair[0]]:
        if len(hidden) > 1 and sum(counts[index] for index in hidden) >= threshold:
            break
        hidden.add(place)
    return frozenset(hidden)


def _needed(definition: Definition, keys: Collection[str]) -> set[str]:
    """The questions on whose answers the branches of `keys` stand."""
    found: set[str] = set()
    for key in keys:
        when = definition.by_key[key].question.when
        while when is not None:
            found.add(when.question)
            when = definition.by_key[when.question].question.when
    return found


def _keep_back(table: SimpleTable) -> SimpleTable:
    """A table of which nothing may be seen."""
    rows = tuple(replace(row, count=None, share=None, vote_share=None) for row in table.rows)
    return replace(table, asked=None, answered=None, blank=None, rows=rows, mean=None, median=None, words=())


def alone(step: Step) -> frozenset[int]:
    """The choices of a multiple choice that go with no other."""
    if not isinstance(step.question, Multiple):
        return frozenset()
    return frozenset(code for code, option in enumerate(step.question.options, start=1) if option.exclusive)


def _hide(step: Step, table: SimpleTable, threshold: int) -> SimpleTable:
    if table.blank is None or table.asked is None:
        return table
    if table.asked < threshold:
        return replace(_keep_back(table), asked=table.asked)
    if table.kind == "text":
        return table  # the words themselves are shown, so to hide how many they are would hide nothing
    counts = [row.count or 0 for row in table.rows]
    hidden = hide([*counts, table.blank], threshold)
    if not hidden:
        return table
    blank_hidden = len(counts) in hidden
    if isinstance(step.question, Multiple):
        # Whoever left it blank, or chose what goes with nothing else, did not choose this: where nearly everybody
        # chose it, the reader knows that hardly anybody is left.
        apart = {place for place, row in enumerate(table.rows) if row.value in alone(step)}
        if blank_hidden or apart & hidden:
            room = table.asked - (0 if blank_hidden else table.blank) - threshold
            hidden |= {place for place, count in enumerate(counts) if place not in apart and count > room}
    rows = tuple(
        replace(
            row,
            count=None if place in hidden else row.count,
            share=None if place in hidden or (table.base == "answered" and len(counts) in hidden) else row.share,
            vote_share=None,
        )
        for place, row in enumerate(table.rows)
    )
    return replace(
        table,
        blank=None if blank_hidden else table.blank,
        answered=None if blank_hidden else table.answered,
        rows=rows,
        mean=None,
        median=None,
    )


def _share(count: int, whole: int) -> float | None:
    return count / whole if whole else None
