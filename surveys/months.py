"""The same questionnaire month by month: shares side by side, the change in points, and what chance explains of it.

Everything is computed from what the tables of each month show, so a count that is hidden there stays hidden here, and
no figure is made of it. Options are matched by their words, points of a scale by their value, as a questionnaire may
change between months.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import to_tokyo
from surveys.association import Association, associate
from surveys.counting import CannotCount, find
from surveys.definition import Definition, Multiple, Scale, Step, WithOptions
from surveys.sheets import finished
from surveys.tables import surveys
from surveys.tabulation import Row, SimpleTable, Tally, Value
from surveys.vault import Vault

LEVEL = 0.05
"""A change with a smaller p is called significant."""


@dataclass(frozen=True, slots=True)
class Month:
    """One of the surveys that are compared."""

    survey_id: int
    day: date
    respondents: int


@dataclass(frozen=True, slots=True)
class Line:
    """One answer through the months.

    A count is None where it is hidden, a share also where the option was not offered. `change` is the last share less
    the one before, -1 to 1; `p` is how often chance alone would make as large a change between the two.
    """

    label: str
    counts: tuple[int | None, ...]
    shares: tuple[float | None, ...]
    change: float | None
    p: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """One question through the months in which it was asked; `association` is that of month and answer."""

    key: str
    text: str
    kind: str
    months: tuple[Month, ...]
    answered: tuple[int | None, ...]
    means: tuple[float | None, ...]
    lines: tuple[Line, ...]
    association: Association | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All questions that were asked in two months at least."""

    key: str
    title: str
    months: tuple[Month, ...]
    trends: tuple[Trend, ...]


async def compare(db: AsyncConnection, vault: Vault, key: str, question: str | None = None) -> Comparison:
    """Every survey called `key` whose tables may be seen, in the order of opening.

    Choices and scales are compared: those of the latest definition, or `question` alone (see `counting.find`). Raises
    `CannotCount` if there are not two surveys, or nothing in them to compare.
    """
    months: list[Month] = []
    tables: list[dict[str, SimpleTable]] = []
    latest: Definition | None = None
    title = key
    rows = await db.execute(select(surveys).where(surveys.c.key == key).order_by(surveys.c.opened_at, surveys.c.id))
    for row in rows.all():
        definition = Definition.model_validate_json(row.definition)
        if row.state == "open" and not definition.results_while_open:
            continue
        tally = Tally(definition)
        async for sheets in finished(db, vault, row, definition):
            tally.add(sheets)
        months.append(Month(row.id, to_tokyo(row.opened_at).date(), tally.sheets))
        tables.append({table.key: table for table in tally.tables(threshold=definition.threshold)})
        latest, title = definition, row.title
    if latest is None or len(months) < 2:
        raise CannotCount(
            f"There are {len(months)} surveys {key!r} with tables to show, and a comparison takes two; see them with: "
            "kairanban survey list."
        )
    steps = latest.steps if question is None else (find(latest, question),)
    trends = [
        trend(step, pairs)
        for step in steps
        if isinstance(step.question, WithOptions | Scale)
        and len(pairs := [(m, t[step.key]) for m, t in zip(months, tables, strict=True) if _same(step, t)]) > 1
    ]
    if not trends:
        raise CannotCount(f"No choice or scale of {key!r} that is meant was asked twice; there is nothing to compare.")
    return Comparison(key, title, tuple(months), tuple(trends))


def trend(step: Step, months: Sequence[tuple[Month, SimpleTable]]) -> Trend:
    """One question through `months`, the earliest first, each with its table."""
    found = [table for _, table in months]
    by_value = [{_identity(step, row): row for row in table.rows} for table in found]
    labels = {value: row.label for rows in by_value for value, row in rows.items()}
    current = [*by_value[-1], *(value for value in labels if value not in by_value[-1])]
    lines = tuple(_line(labels[value], [rows.get(value) for rows in by_value], found) for value in current)
    counts = [[line.counts[place] for line in lines] for place in range(len(found))]
    shown = [[count for count in month if count is not None] for month in counts]
    testable = not isinstance(step.question, Multiple) and shown == counts
    return Trend(
        key=step.key,
        text=step.text,
        kind=step.question.kind,
        months=tuple(month for month, _ in months),
        answered=tuple(table.answered for table in found),
        means=tuple(table.mean for table in found),
        lines=lines,
        association=associate(shown) if testable and lines else None,
    )


def two_proportions(first: int, of_first: int, second: int, of_second: int) -> float | None:
    """p of the difference between two shares; None where nobody, or everybody, answered so in both.

    Pearson's chi-square of two by two, which is the test of two proportions; Fisher's exact test where an expected
    count lies below 5 (Cochran 1954).
    """
    table = [[first, of_first - first], [second, of_second - second]]
    sums = [first + second, of_first + of_second - first - second]
    if not (of_first and of_second and all(sums)):
        return None
    from scipy.stats import chi2_contingency, fisher_exact  # noqa: PLC0415 - only who needs it waits a second for it

    if min(of_first, of_second) * min(sums) / (of_first + of_second) < 5:
        return float(fisher_exact(table).pvalue)
    return float(chi2_contingency(table, correction=False).pvalue)


def plain(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values for JSON; None is a figure that is hidden or was not asked for."""
    values = asdict(comparison)
    for month in (*values["months"], *(month for trend in values["trends"] for month in trend["months"])):
        month["day"] = month["day"].isoformat()
    return values


def _same(step: Step, tables: dict[str, SimpleTable]) -> bool:
    return step.key in tables and tables[step.key].kind == step.question.kind


def _identity(step: Step, row: Row) -> Value:
    return row.label if isinstance(step.question, WithOptions) else row.value


def _line(label: str, rows: Sequence[Row | None], tables: Sequence[SimpleTable]) -> Line:
    shares = tuple(None if row is None else row.share for row in rows)
    change = p = None
    before, after = rows[-2:]
    if before is not None and after is not None and shares[-2] is not None and shares[-1] is not None:
        change = shares[-1] - shares[-2]
        p = two_proportions(before.count or 0, tables[-2].answered or 0, after.count or 0, tables[-1].answered or 0)
    return Line(label, tuple(0 if row is None else row.count for row in rows), shares, change, p)
