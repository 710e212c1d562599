"""The answers themselves as CSV, one line a person, where the survey allows it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import Refused
from bot.roster.cells import harden
from bot.tables import members
from bot.texts import Texts
from surveys.counting import CannotCount, found
from surveys.definition import OTHER, Answer, Definition, Multiple, Sheet, Step, WithOptions
from surveys.exports.csv import Encoding, encode
from surveys.sheets import finished, finished_by_member
from surveys.ticked import read_ticked
from surveys.vault import Vault


async def to_sheets(
    db: AsyncConnection, vault: Vault, survey_id: int, texts: Texts, encoding: Encoding = "utf-8-sig"
) -> tuple[bytes, tuple[str, ...]]:
    """The file, and the characters that the encoding does not have; staff number and name only in a named survey.

    Raises `CannotCount` where small counts are hidden: a line is a count of one. Also while people may still answer,
    unless the survey is named.
    """
    row, definition = await found(db, survey_id)
    if definition.anonymity != "named" and (row.state == "open" or definition.threshold > 1):
        raise CannotCount(
            f"Survey {survey_id} is {definition.anonymity}: single answers are given out only once it has closed, and "
            "only if its definition says smallest_cell = 1. Its tables: kairanban survey tables."
        )
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    columns = header(definition, texts)
    if definition.anonymity == "named":
        writer.writerow([texts("survey.paper.code"), texts("survey.paper.name"), *columns])
        people = {
            row.id: (row.code, row.name)
            for row in await db.execute(select(members.c.id, members.c.code, members.c.name))
        }
        async for batch in finished_by_member(db, vault, row, definition):
            for member_id, sheet in batch:
                who = people.get(member_id, ("", "")) if member_id is not None else ("", "")
                writer.writerow([*map(harden, who), *line(definition, sheet)])
    else:
        writer.writerow(columns)
        async for sheets in finished(db, vault, row, definition):
            writer.writerows(line(definition, sheet) for sheet in sheets)
    return encode(out.getvalue(), encoding)


def header(definition: Definition, texts: Texts) -> list[str]:
    """The titles of the columns, as the import finds them again."""
    return [harden(name) for step in definition.steps for name in _columns(step, texts)]


def _columns(step: Step, texts: Texts) -> list[str]:
    title = step.text.replace("\n", " ")
    return [title, f"{title} {texts('survey.paper.other')}"] if _has_other(step) else [title]


def line(definition: Definition, sheet: Sheet) -> list[str]:
    """A person's answers, one cell for each title in `header`."""
    cells: list[str] = []
    for step in definition.steps:
        cells.append(harden(written(step, sheet.get(step.key))))
        if _has_other(step):
            cells.append(harden(str(sheet.get(step.key + OTHER) or "")))
    return cells


def written(step: Step, answer: Answer) -> str:
    """An answer in words, as the import reads it back; by its number (2番) where the words could mean two things."""
    question = step.question
    if answer is None:
        return ""
    if not isinstance(question, WithOptions) or not isinstance(answer, int | list):
        return str(answer)
    codes = answer if isinstance(answer, list) else [answer]
    labels = [question.options[code - 1].label for code in codes]
    numbers = ";".join(f"{code}番" for code in codes)
    forms = [";".join(labels), "\n".join(labels), numbers] if len(codes) > 1 else [labels[0], numbers]
    return next((form for form in forms if _reads_back(question, form, codes)), forms[0])


def _reads_back(question: WithOptions, form: str, codes: Sequence[int]) -> bool:
    try:
        read = read_ticked(question, form.strip(), several=isinstance(question, Multiple))
    except Refused:
        return False
    return sorted(read.codes) == sorted(codes) and not read.words


def _has_other(step: Step) -> bool:
    return isinstance(step.question, WithOptions) and any(option.other for option in step.question.options)
