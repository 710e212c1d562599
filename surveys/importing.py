"""Brings in answers that were collected elsewhere: a form service's export, as CSV or XLSX, one line a person.

The first line names the questions, by their text or their key; other columns (time stamps, addresses, names) are left
behind, and so is the order of the lines. A cell is read like an answer in the chat: an option's words or its number.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import orjson
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.errors import KairanbanError, Refused
from bot.office import Sheet, read_office_file, read_sheets
from bot.roster.cells import soften
from bot.texts import Texts
from surveys import answering
from surveys.columns import Column, columns_of, letters
from surveys.definition import Answer, Day, Definition, FreeText, Multiple, Number, Step, WithOptions
from surveys.sheets import store
from surveys.tables import surveys
from surveys.ticked import read_ticked

FAULTS_NAMED = 20


class ImportFault(KairanbanError):
    """A file of answers cannot be taken; the text names line and question of each fault. Nothing was stored."""


def read_answers(path: Path, definition: Definition) -> list[dict[str, Answer]]:
    """The sheets in a CSV or XLSX file, its first visible table; raises `ImportFault`."""
    try:
        found = next((sheet for sheet in read_sheets(read_office_file(path)) if not sheet.hidden and sheet.rows), None)
    except OSError as error:
        raise ImportFault(_said("unopened", name=path.name, reason=error.strerror or error)) from error
    except Refused as error:
        raise ImportFault(f"{path.name}: {_both(error.key, **error.values)}") from error
    if found is None:
        raise ImportFault(_said("empty", name=path.name))
    return _sheets(found, definition, path.name)


async def import_answers(
    db: AsyncConnection,
    clock: Clock,
    definition: Definition,
    sheets: Sequence[Mapping[str, Answer]],
    *,
    collected: datetime | None = None,
) -> int:
    """Store sheets as a closed survey without participants, in an order drawn by lot; the survey's id.

    `collected` is when they were collected; now, unless given.
    """
    now = collected or clock.now()
    inserted = await db.execute(
        insert(surveys).values(
            key=definition.key,
            title=definition.title,
            definition=definition.model_dump_json(),
            anonymity=definition.anonymity,
            state="closed",
            opened_at=now,
            closes_at=now,
            closed_at=now,
        )
    )
    assert inserted.inserted_primary_key is not None
    survey_id = int(inserted.inserted_primary_key[0])
    rows = [
        {
            "id": secrets.token_hex(16),
            "survey_id": survey_id,
            "member_id": None,
            "body": orjson.dumps(definition.cleaned(sheet)).decode(),
        }
        for sheet in sheets
    ]
    await store(db, rows)
    return survey_id


def _sheets(table: Sheet, definition: Definition, name: str) -> list[dict[str, Answer]]:
    top = next((row for row, cells in enumerate(table.rows, 1) if any(map(str.strip, cells))), 1)
    try:
        columns = columns_of(table.rows[top - 1], definition)
    except Refused as error:
        raise ImportFault(f"{name}: {_both(error.key, row=top, **error.values)}") from error
    sheets: list[dict[str, Answer]] = []
    faults: list[str] = []
    for row, cells in enumerate(table.rows[top:], start=top + 1):
        if not any(cell.strip() for cell in cells):
            continue
        sheet: dict[str, Answer] = {}
        for column in columns:
            try:
                if (row, column.place) in table.broken:
                    raise Refused("survey.import.unreadable")
                sheet |= _read(table, row, column)
            except Refused as error:
                faults.append(_fault(table, row, column, error, name))
        if len(faults) >= FAULTS_NAMED:
            break
        sheets.append(sheet)
    if faults:
        raise ImportFault("\n".join(faults[:FAULTS_NAMED]))
    return sheets


def _fault(table: Sheet, row: int, column: Column, error: Refused, name: str) -> str:
    cell = soften(table.shown(row, column.place)).strip()
    reason = "ambiguous" if error.key.endswith("ambiguous") else "unreadable"
    values = {"name": name, "row": row, "column": letters(column.place), "step": column.step.key}
    return _said(reason, **values, cell=repr(cell[:60]))


def _read(table: Sheet, row: int, column: Column) -> dict[str, Answer]:
    step, question = column.step, column.step.question
    cell = soften(table.shown(row, column.place)).strip()
    if isinstance(question, Day) or (isinstance(question, Number) and not cell.endswith(("%", "％"))):
        cell = soften(table.plain(row, column.place)).strip()
    if not cell:
        return {step.key: None}
    if isinstance(question, WithOptions):
        words = "" if column.words is None else soften(table.shown(row, column.words)).strip()
        return _ticked(step, question, cell, words)
    if isinstance(question, FreeText):
        return answering.read(step, cell, ())
    return answering.read(step, " ".join(cell.split()), ())


def _ticked(step: Step, question: WithOptions, cell: str, words: str) -> dict[str, Answer]:
    ticked = read_ticked(question, cell, several=isinstance(question, Multiple))
    return answering.chosen(step, ticked.codes, words or ticked.words)


def _said(key: str, **values: object) -> str:
    return _both(f"survey.import.{key}", **values)


def _both(key: str, **values: object) -> str:
    ja, en = (Texts("bot", "surveys", language=language)(key, **values) for language in ("ja", "en"))
    return f"{ja} / {en}"
