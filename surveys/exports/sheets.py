"""The answers themselves as CSV, one line a person, where the survey allows it."""

from __future__ import annotations

import csv
import io

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.roster.cells import harden
from bot.tables import members
from bot.texts import Texts
from surveys.counting import CannotCount, found
from surveys.definition import OTHER, Answer, Definition, Multiple, Sheet, Step, WithOptions
from surveys.exports.csv import Encoding, encode
from surveys.sheets import finished, finished_by_member
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
    columns = [name for step in definition.steps for name in _columns(step, texts)]
    if definition.anonymity == "named":
        writer.writerow([texts("survey.paper.code"), texts("survey.paper.name"), *map(harden, columns)])
        people = {
            row.id: (row.code, row.name)
            for row in await db.execute(select(members.c.id, members.c.code, members.c.name))
        }
        async for batch in finished_by_member(db, vault, row, definition):
            for member_id, sheet in batch:
                who = people.get(member_id, ("", "")) if member_id is not None else ("", "")
                writer.writerow([*map(harden, who), *_line(definition, sheet)])
    else:
        writer.writerow(map(harden, columns))
        async for sheets in finished(db, vault, row, definition):
            writer.writerows(_line(definition, sheet) for sheet in sheets)
    return encode(out.getvalue(), encoding)


def _columns(step: Step, texts: Texts) -> list[str]:
    title = step.text.replace("\n", " ")
    return [title, f"{title} {texts('survey.paper.other')}"] if _has_other(step) else [title]


def _line(definition: Definition, sheet: Sheet) -> list[object]:
    line: list[object] = []
    for step in definition.steps:
        line.append(harden(written(step, sheet.get(step.key))))
        if _has_other(step):
            line.append(harden(str(sheet.get(step.key + OTHER) or "")))
    return line


def written(step: Step, answer: Answer) -> str:
    """An answer in words, as the import reads it back."""
    question = step.question
    if answer is None:
        return ""
    if isinstance(question, Multiple) and isinstance(answer, list):
        return ";".join(question.options[code - 1].label for code in answer)
    if isinstance(question, WithOptions) and isinstance(answer, int):
        return question.options[answer - 1].label
    return str(answer)


def _has_other(step: Step) -> bool:
    return isinstance(step.question, WithOptions) and any(option.other for option in step.question.options)
