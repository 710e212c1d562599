"""What every export prints, in the layout of a 申込集計表: title, date, number of answers, a block a question, a cross.

The layout is decided here once; the exports only draw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.texts import Texts
from surveys.crosstab import ALL, CrossTable
from surveys.suppression import Cell
from surveys.tabulation import SimpleTable

HIDDEN = "*"
"""Stands where a count is kept back."""

Field = str | int | float | None


@dataclass(frozen=True, slots=True)
class Paper:
    """Everything on the paper; `note` says what readers must know, such as that people are simulated."""

    title: str
    day: date
    respondents: int
    tables: Sequence[SimpleTable]
    crosses: Sequence[CrossTable] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A table ready to be drawn: a title, header rows, lines, and how many leading columns are labels.

    `chart` is the slice of the lines, labels first and counts second, that a chart draws; None for no chart.
    """

    title: str
    header: tuple[Field, ...]
    lines: tuple[tuple[Field, ...], ...]
    labels: int = 1
    chart: tuple[int, int] | None = None


def simple_blocks(paper: Paper, texts: Texts) -> list[Block]:
    """One block for each simple table."""
    return [_simple(table, texts) for table in paper.tables]


def cross_blocks(paper: Paper, texts: Texts) -> list[Block]:
    """One block for each cross table."""
    return [_cross(cross, texts) for cross in paper.crosses]


def head(paper: Paper, texts: Texts) -> list[tuple[str, Field]]:
    """The lines above the blocks."""
    lines: list[tuple[str, Field]] = [
        (texts("survey.paper.day"), paper.day.isoformat()),
        (texts("survey.paper.respondents"), paper.respondents),
    ]
    if paper.note:
        lines.append((texts("survey.paper.note"), paper.note))
    if any(table.hidden for table in paper.tables) or any(None in cross.counts.values() for cross in paper.crosses):
        lines.append((HIDDEN, texts("survey.paper.hidden")))
    return lines


def _simple(table: SimpleTable, texts: Texts) -> Block:
    lines: list[tuple[Field, ...]] = [
        (row.label, _shown(row.count), HIDDEN if row.count is None else row.share) for row in table.rows
    ]
    if table.rows:
        whole = table.asked if table.blank is not None else None
        share = table.blank / table.asked if table.blank is not None and table.base == "asked" and table.asked else None
        if table.blank != 0:
            lines.append((texts("survey.results.blank"), _shown(table.blank), share))
        lines.append((texts("survey.paper.total"), _shown(whole), None))
    if table.mean is not None:
        lines.append((texts("survey.paper.mean"), round(table.mean, 2), None))
        lines.append((texts("survey.paper.median"), table.median, None))
    lines += [(words, None, None) for words in table.words]
    header = (texts("survey.paper.answer"), texts("survey.paper.count"), texts("survey.paper.share"))
    return Block(table.text, header, tuple(lines), chart=(0, len(table.rows)) if table.rows else None)


def _cross(cross: CrossTable, texts: Texts) -> Block:
    outer, columns = cross.axes[:-1], cross.columns
    names = [{value: label or texts("survey.results.blank") for value, label in axis.values} for axis in cross.axes]
    header = (*(axis.text for axis in outer), *names[-1].values(), texts("survey.paper.total"))
    lines: list[tuple[Field, ...]] = []
    previous: tuple[object, ...] = ()
    for row in cross.rows():
        # An outer label is printed once, over the rows that belong to it.
        labels = [
            "" if previous[: depth + 1] == row[: depth + 1] and depth < len(row) - 1 else names[depth][value]
            for depth, value in enumerate(row)
        ]
        lines.append((*labels, *_counts(cross, row)))
        previous = row
    everyone: Cell = (ALL,) * len(outer)
    lines.append((texts("survey.paper.total"), *[""] * (len(outer) - 1), *_counts(cross, everyone)))
    if (found := cross.association) is not None:
        figures = texts(
            "survey.paper.association",
            chi_square=f"{found.chi_square:.3f}",
            freedom=found.freedom,
            p=f"{found.p:.4f}",
            v=f"{found.v:.3f}",
        )
        lines.append((figures, *[""] * (len(header) - 1)))
        if found.low_expected:
            lines.append((texts("survey.paper.low_expected"), *[""] * (len(header) - 1)))
    title = texts("survey.paper.cross", rows=" × ".join(axis.text for axis in outer), columns=columns.text)
    return Block(title, header, tuple(lines), labels=len(outer))


def _counts(cross: CrossTable, row: Cell) -> list[Field]:
    return [_shown(cross.counts[(*row, value)]) for value in (*(v for v, _ in cross.columns.values), ALL)]


def _shown(count: int | None) -> int | str:
    return HIDDEN if count is None else count
