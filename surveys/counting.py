"""Tables of a survey in the database, as the command line and the exports ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import to_tokyo
from bot.errors import KairanbanError
from bot.tables import members
from surveys.answering import normal
from surveys.crosstab import ALL, CannotTabulate, CrossTable, CrossTally
from surveys.definition import Definition, Step
from surveys.exports.paper import Paper
from surveys.sheets import finished
from surveys.tables import surveys
from surveys.tabulation import BLANK, Tally, columns
from surveys.vault import Vault
from surveys.words import Masker, frequent


class CannotCount(KairanbanError):
    """A survey has no tables to show; the text says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which tables: the simple ones of `rows`; with `column`, those of all questions, and then `rows` crossed by it.

    Without `rows`, the simple tables of all questions. Questions go by key, by text, or by the beginning of their text
    if no other begins like it. `blanks` shows those who left a question blank and counts them in; otherwise shares are
    over those who answered. `words` counts the words of free texts, `mask` masks whom they name.
    """

    rows: Sequence[str] = ()
    column: str | None = None
    blanks: bool = False
    words: bool = False
    mask: bool = False


async def listed(db: AsyncConnection) -> list[Row[Any]]:
    """Every survey, newest first: id, key, title, state, anonymity, opened_at, closes_at."""
    columns = ("id", "key", "title", "state", "anonymity", "opened_at", "closes_at")
    return list(await db.execute(select(*(surveys.c[name] for name in columns)).order_by(surveys.c.id.desc())))


async def count(db: AsyncConnection, vault: Vault, survey_id: int, wish: Wish | None = None) -> Paper:
    """The tables of a survey, counted in one pass over its sheets.

    Raises `CannotCount` if there is no such survey or it is anonymous and still open, `CannotTabulate` for a table
    that cannot be made.
    """
    wish = wish or Wish()
    row, definition = await found(db, survey_id)
    if row.state == "open" and not definition.results_while_open:
        raise CannotCount(
            f"Survey {survey_id} is {definition.anonymity} and still open; its tables are there once it has closed, as "
            "two looks at them, before and after one person, would tell what that person said."
        )
    keys = [find(definition, name).key for name in wish.rows]
    crossing = None
    if wish.column is not None:
        crossing = CrossTally(definition, keys, find(definition, wish.column).key, blanks=wish.blanks)
        keys = []
    tally = Tally(definition, keys or None)
    async for sheets in finished(db, vault, row, definition):
        together = columns(sheets)
        tally.add(sheets, together)
        if crossing is not None:
            crossing.add(sheets, together)
    tables = tally.tables(base="asked" if wish.blanks else "answered", threshold=definition.threshold)
    if wish.mask or definition.anonymity == "confidential":
        masker = Masker(list(await db.scalars(select(members.c.name))))
        tables = tuple(replace(table, words=tuple(sorted(map(masker.mask, table.words)))) for table in tables)
    day = to_tokyo(row.closed_at or row.closes_at if row.state == "closed" else row.opened_at).date()
    return Paper(
        title=row.title,
        day=day,
        respondents=tally.sheets,
        tables=tables,
        crosses=() if crossing is None else (crossing.table(threshold=definition.threshold),),
        number=survey_id,
        key=row.key,
        period=(to_tokyo(row.opened_at).date(), to_tokyo(row.closed_at or row.closes_at).date()),
        form=definition.form,
        words={table.key: frequent(table.words) for table in tables if table.words} if wish.words else {},
    )


async def found(db: AsyncConnection, survey_id: int) -> tuple[Row[Any], Definition]:
    """A survey's row and its definition; raises `CannotCount` if there is none."""
    row = (await db.execute(select(surveys).where(surveys.c.id == survey_id))).first()
    if row is None:
        raise CannotCount(f"There is no survey {survey_id}; see them with: kairanban survey list.")
    return row, Definition.model_validate_json(row.definition)


def find(definition: Definition, name: str) -> Step:
    """The question that is meant by `name`; raises `CannotTabulate` if there is none, or more than one."""
    wanted = normal(name).casefold()
    for step in definition.steps:
        if wanted in {step.key.casefold(), normal(step.text).casefold()}:
            return step
    begun = [step for step in definition.steps if wanted and normal(step.text).casefold().startswith(wanted)]
    if len(begun) == 1:
        return begun[0]
    meant = " or ".join(step.key for step in begun)
    problem = f"{name!r} may mean {meant}" if begun else f"There is no question {name!r}"
    raise CannotTabulate(f"{problem}; there are: {', '.join(definition.by_key)}.")


def plain(paper: Paper) -> dict[str, Any]:
    """The tables as plain values for JSON; None is a figure that is hidden, `hidden` says so."""
    return {
        "id": paper.number,
        "key": paper.key,
        "title": paper.title,
        "date": paper.day.isoformat(),
        "respondents": paper.respondents,
        "simple": [
            {
                "key": table.key,
                "question": table.text,
                "kind": table.kind,
                "base": table.base,
                "asked": table.asked,
                "answered": table.answered,
                "blank": table.blank,
                "counts": [asdict(row) for row in table.rows],
                "mean": table.mean,
                "median": table.median,
                "words": list(table.words),
                "frequent": [asdict(word) for word in paper.words.get(table.key, ())],
                "hidden": table.hidden,
            }
            for table in paper.tables
        ],
        "cross": [_plain_cross(table) for table in paper.crosses],
    }


def _plain_cross(table: CrossTable) -> dict[str, Any]:
    columns = [value for value, _ in table.columns.values]
    names = [dict(axis.values) for axis in table.axes]

    def line(row: tuple[Any, ...]) -> dict[str, Any]:
        cells = [(*row, column) for column in columns]
        return {
            "values": [None if value is ALL else value for value in row],
            "labels": [None if value is ALL else names[depth][value] for depth, value in enumerate(row)],
            "counts": [table.counts[cell] for cell in cells],
            "shares": [table.share(cell) for cell in cells],
            "total": table.counts[(*row, ALL)],
        }

    found = table.association
    return {
        "rows": [{"key": axis.key, "question": axis.text} for axis in table.axes[:-1]],
        "columns": {
            "key": table.columns.key,
            "question": table.columns.text,
            "values": columns,
            "labels": [label for _, label in table.columns.values],
        },
        "lines": [line(row) for row in table.rows()],
        "total": line((ALL,) * (len(table.axes) - 1)),
        "blanks": any(value == BLANK for axis in table.axes for value, _ in axis.values),
        "hidden": None in table.counts.values(),
        "chi_square": None if found is None else found.chi_square,
        "degrees_of_freedom": None if found is None else found.freedom,
        "p": None if found is None else found.p,
        "cramers_v": None if found is None else found.v,
        "low_expected": None if found is None else found.low_expected,
    }
