"""What every export prints, in the layout of a 申込集計表: title, date, number of answers, a block a question, a cross.

The layout is decided here once; the exports only draw it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from bot.texts import Texts
from surveys.association import Association
from surveys.crosstab import ALL, Axis, CrossTable
from surveys.suppression import Cell
from surveys.tabulation import APART, BLANK, SimpleTable, Value
from surveys.words import Word

HIDDEN = "*"
"""Stands where a count is kept back."""
WORDS_DRAWN = 15
"""Bars in the chart of a question's most frequent words."""


class Share(float):
    """A part of a whole, 0 to 1; drawn as per cent."""


Field = str | int | float | None


@dataclass(frozen=True, slots=True)
class Paper:
    """Everything on the paper.

    `period`: first and last day on which answers were taken; `form`: 様式. `words` are the frequent words of a
    question's free texts, by its key; `blocks` are tables that are ready to be drawn; `note` says what readers must
    know, such as that people are simulated.
    """

    title: str
    day: date
    respondents: int
    tables: Sequence[SimpleTable]
    crosses: Sequence[CrossTable] = ()
    note: str = ""
    number: int | None = None
    key: str = ""
    words: Mapping[str, Sequence[Word]] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    period: tuple[date, date] | None = None
    form: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A table ready to be drawn: a title, header rows, lines, how many leading columns are labels, and remarks below.

    `chart` is the slice of the lines, labels first and counts second, that a chart draws; None for no chart. `compared`
    are columns of shares that a chart draws beside each other, line by line. `totals` are the lines that sum up others,
    `subtotals` those that do so for the group of lines that they begin.
    """

    title: str
    header: tuple[Field, ...]
    lines: tuple[tuple[Field, ...], ...]
    labels: int = 1
    chart: tuple[int, int] | None = None
    compared: tuple[int, ...] = ()
    totals: frozenset[int] = frozenset()
    subtotals: frozenset[int] = frozenset()
    remarks: tuple[str, ...] = ()


def simple_blocks(paper: Paper, texts: Texts) -> list[Block]:
    """One block for each simple table, with its frequent words where they were counted, and the ready ones."""
    blocks: list[Block] = []
    for table in paper.tables:
        blocks.append(_simple(table, texts))
        if table.key in paper.words:
            blocks.append(_frequent(table, paper.words[table.key], texts))
    return [*blocks, *paper.blocks]


def cross_blocks(paper: Paper, texts: Texts) -> list[tuple[Block, Block]]:
    """Two blocks for each cross table: the counts, and the shares of each row."""
    return [(_cross(cross, texts), _cross_shares(cross, texts)) for cross in paper.crosses]


def all_blocks(paper: Paper, texts: Texts) -> list[Block]:
    """Every block in the order of the paper."""
    return simple_blocks(paper, texts) + [block for pair in cross_blocks(paper, texts) for block in pair]


def head(paper: Paper, texts: Texts) -> list[tuple[str, Field]]:
    """The lines above the blocks."""
    lines: list[tuple[str, Field]] = [
        (texts("survey.paper.day"), paper.day.isoformat()),
        (texts("survey.paper.respondents"), paper.respondents),
    ]
    if paper.period is not None:
        lines.append((texts("survey.paper.period"), "〜".join(dict.fromkeys(map(date.isoformat, paper.period)))))
    if paper.form:
        lines.append((texts("survey.paper.form"), paper.form))
    if paper.number is not None:
        lines.append((texts("survey.paper.number"), f"{paper.number}（{paper.key}）"))
    if paper.note:
        lines.append((texts("survey.paper.note"), paper.note))
    hidden = any(table.hidden for table in paper.tables) or any(
        None in cross.counts.values() for cross in paper.crosses
    )
    if hidden or any(HIDDEN in line[block.labels :] for block in paper.blocks for line in block.lines):
        lines.append((HIDDEN, texts("survey.paper.hidden")))
    return lines


def association_remarks(found: Association, texts: Texts) -> Iterator[str]:
    """What is said below a table that was tested."""
    yield texts(
        "survey.paper.association",
        chi_square=f"{found.chi_square:.3f}",
        freedom=found.freedom,
        p=f"{found.p:.4f}" if found.p >= 0.0001 else f"{found.p:.1e}",
        v=f"{found.v:.3f}",
    )
    if found.low_expected:
        yield texts("survey.paper.low_expected")


def _simple(table: SimpleTable, texts: Texts) -> Block:
    lines: list[tuple[Field, ...]] = [
        (row.label, _shown(row.count), _share(row.count, row.share)) for row in table.rows
    ]
    totals: set[int] = set()
    if table.rows:
        if table.blank != 0:
            share = table.blank / table.asked if table.blank and table.asked and table.base == "asked" else None
            blank = _share(table.blank, share) if table.base == "asked" else None
            lines.append((texts("survey.results.blank"), _shown(table.blank), blank))
        totals.add(len(lines))
        lines.append((texts("survey.paper.total"), _shown(table.asked if table.blank is not None else None), None))
    if table.mean is not None:
        lines.append((texts("survey.paper.mean"), round(table.mean, 2), None))
        lines.append((texts("survey.paper.median"), table.median, None))
    lines += [(words, None, None) for words in table.words]
    header = (texts("survey.paper.answer"), texts("survey.paper.count"), texts("survey.paper.share"))
    return Block(
        table.text, header, tuple(lines), chart=(0, len(table.rows)) if table.rows else None, totals=frozenset(totals)
    )


def _frequent(table: SimpleTable, words: Sequence[Word], texts: Texts) -> Block:
    whole = len(table.words)
    return Block(
        texts("survey.paper.words", question=table.text),
        (texts("survey.paper.word"), texts("survey.paper.texts"), texts("survey.paper.share")),
        tuple((word.word, word.texts, Share(word.texts / whole)) for word in words),
        chart=(0, min(len(words), WORDS_DRAWN)) if words else None,
        remarks=(texts("survey.paper.words_remark", count=whole),),
    )


def _cross(cross: CrossTable, texts: Texts) -> Block:
    columns = [*(value for value, _ in cross.columns.values), ALL]
    rows = list(_rows(cross, texts, subtotals=True))
    lines = [(*labels, *(_shown(cross.counts[(*row, c)]) for c in columns)) for labels, row in rows]
    return Block(
        texts("survey.paper.cross", rows=_outer(cross), columns=cross.columns.text),
        (*_heading(cross, texts), texts("survey.paper.total")),
        tuple(lines),
        labels=len(cross.axes) - 1,
        totals=frozenset({len(lines) - 1}),
        subtotals=frozenset(place for place, (_, row) in enumerate(rows[:-1]) if ALL in row),
        remarks=tuple(_remarks(cross, texts)),
    )


def _cross_shares(cross: CrossTable, texts: Texts) -> Block:
    columns = [value for value, _ in cross.columns.values]
    lines = [
        (*labels, *(_share(cross.counts[(*row, c)], cross.share((*row, c))) for c in columns))
        for labels, row in _rows(cross, texts)
    ]
    return Block(
        texts("survey.paper.cross_shares", rows=_outer(cross), columns=cross.columns.text),
        _heading(cross, texts),
        tuple(lines),
        labels=len(cross.axes) - 1,
        totals=frozenset({len(lines) - 1}),
    )


def _outer(cross: CrossTable) -> str:
    return " × ".join(axis.text for axis in cross.axes[:-1])


def _heading(cross: CrossTable, texts: Texts) -> tuple[str, ...]:
    return (*(axis.text for axis in cross.axes[:-1]), *_names(cross.columns, texts).values())


def _names(axis: Axis, texts: Texts) -> dict[Value, str]:
    apart: dict[Value, str] = {BLANK: texts("survey.results.blank"), APART: texts("survey.paper.apart")}
    return {value: apart.get(value, label) for value, label in axis.values}


def _rows(cross: CrossTable, texts: Texts, *, subtotals: bool = False) -> Iterator[tuple[tuple[str, ...], Cell]]:
    """The labels and the key of each row, the total last; an outer label stands once, above the rows it belongs to.

    With `subtotals`, each group of rows begins with their sum: 男 小計 14 24 39 43 12.
    """
    names = [_names(axis, texts) for axis in cross.axes]
    outer = len(cross.axes) - 1
    previous: Cell = ()
    for row in cross.rows():
        said = previous
        for depth in range(outer - 1 if subtotals else 0):
            if previous[: depth + 1] != row[: depth + 1]:
                group: Cell = (*row[: depth + 1], *[ALL] * (outer - depth - 1))
                yield (_labels(names, row[: depth + 1], said, texts, outer), group)
                said = row[: depth + 1]
        yield (
            tuple(
                "" if said[: depth + 1] == row[: depth + 1] and depth < len(row) - 1 else names[depth][value]
                for depth, value in enumerate(row)
            ),
            row,
        )
        previous = row
    yield (texts("survey.paper.total"), *[""] * (outer - 1)), (ALL,) * outer


def _labels(names: list[dict[Value, str]], group: Cell, said: Cell, texts: Texts, outer: int) -> tuple[str, ...]:
    """The labels of a subtotal: those of its group that were not said above, 小計, and nothing behind it."""
    shown = [
        "" if said[: depth + 1] == group[: depth + 1] or value is None else names[depth][value]
        for depth, value in enumerate(group)
    ]
    return (*shown, texts("survey.paper.subtotal"), *[""] * (outer - len(group) - 1))


def _remarks(cross: CrossTable, texts: Texts) -> Iterator[str]:
    if cross.association is not None:
        yield from association_remarks(cross.association, texts)
    elif None in cross.counts.values():
        yield texts("survey.paper.no_test_hidden")
    elif any(axis.multiple for axis in cross.axes):
        yield texts("survey.paper.no_test_multiple")
    else:
        yield texts("survey.paper.no_test_empty")


def _shown(count: int | None) -> int | str:
    return HIDDEN if count is None else count


def _share(count: int | None, share: float | None) -> Field:
    return HIDDEN if count is None else None if share is None else Share(share)
