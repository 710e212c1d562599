"""Brings in answers that were collected elsewhere: a form service's export, as CSV or XLSX, one line a person.

The first line names the questions, by their text or their key; other columns (time stamps, addresses, names) are left
behind, and so is the order of the lines. A cell is read like an answer in the chat: an option's words or its number.
"""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from zipfile import BadZipFile

import orjson
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.errors import KairanbanError, Refused
from surveys import answering
from surveys.definition import OTHER, Answer, Definition, FreeText, Matrix, Step, WithOptions
from surveys.sheets import store
from surveys.tables import surveys

FAULTS_NAMED = 20
SIZE_LIMIT = 200_000_000
"""Bytes in one file of answers."""


class ImportFault(KairanbanError):
    """A file of answers cannot be taken; the text names line and question of each fault. Nothing was stored."""


def read_answers(path: Path, definition: Definition) -> list[dict[str, Answer]]:
    """The sheets in a `.csv` (UTF-8 or CP932) or `.xlsx` file; raises `ImportFault`."""
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise ImportFault(f"{path.name}: larger than {SIZE_LIMIT:,} bytes; split it.")
        lines = _workbook(path) if path.suffix.lower() == ".xlsx" else _csv(path)
        return list(_sheets(lines, definition, path.name))
    except OSError as error:
        raise ImportFault(f"{path.name}: cannot be read: {error.strerror or error}.") from error


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


def _sheets(lines: Iterator[list[str]], definition: Definition, name: str) -> Iterator[dict[str, Answer]]:
    header = next(lines, None)
    if header is None:
        raise ImportFault(f"{name}: is empty; the first line must name the questions.")
    columns = _columns(header, definition, name)
    known: dict[tuple[str, str], dict[str, Answer]] = {}
    faults: list[str] = []
    for number, line in enumerate(lines, start=2):
        if not any(cell.strip() for cell in line):
            continue
        sheet: dict[str, Answer] = {}
        for step, column in columns:
            cell = line[column].strip() if column < len(line) else ""
            try:
                if (step.key, cell) not in known:
                    known[step.key, cell] = _read(step, cell)
                sheet |= known[step.key, cell]
                if isinstance(step.question, FreeText):
                    del known[step.key, cell]  # hardly anybody writes the same
            except Refused:
                faults.append(f"{name}: line {number}, {step.key}: {cell[:60]!r} is no answer to this question.")
        if len(faults) >= FAULTS_NAMED:
            break
        yield sheet
    if faults:
        raise ImportFault("\n".join(faults))


def _read(step: Step, cell: str) -> dict[str, Answer]:
    if not cell:
        return {step.key: None}
    question = step.question
    if not isinstance(question, WithOptions):
        return answering.read(step, cell, ())
    codes = range(1, len(question.options) + 1)
    try:
        return answering.read(step, cell, codes)
    except Refused:
        # Form services export only the words that were written to "other".
        other = [code for code in codes if question.options[code - 1].other]
        if not other:
            raise
        return {**answering.read(step, str(other[0]), codes), step.key + OTHER: cell[: answering.OTHER_LENGTH]}


def _columns(header: Sequence[str], definition: Definition, name: str) -> list[tuple[Step, int]]:
    places: dict[str, int] = {}
    for place, title in enumerate(header):
        places.setdefault(answering.normal(title), place)
    found: list[tuple[Step, int]] = []
    missing: list[str] = []
    for step in definition.steps:
        wanted = [step.key, step.question.text]
        if isinstance(step.question, Matrix) and step.row is not None:
            row = step.question.rows[step.row]
            wanted = [step.key, f"{step.question.text} [{row}]", step.text.replace("\n", " "), row]
        column = next((places[name] for name in map(answering.normal, wanted) if name in places), None)
        if column is None:
            missing.append(f"{step.key} ({step.text[:40]})")
        else:
            found.append((step, column))
    if missing:
        raise ImportFault(f"{name}: line 1 has no column for {', '.join(missing)}; name it by its text or its key.")
    return found


def _csv(path: Path) -> Iterator[list[str]]:
    data = path.read_bytes()
    for encoding in ("utf-8-sig", "cp932"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        yield from csv.reader(io.StringIO(text, newline=""))
        return
    raise ImportFault(f"{path.name}: neither UTF-8 nor CP932; save it as UTF-8 and try again.")


def _workbook(path: Path) -> Iterator[list[str]]:
    import openpyxl  # noqa: PLC0415 - only who needs it waits a second for it
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise ImportFault(f"{path.name}: no XLSX workbook; save it as one, or as CSV.") from error
    try:
        for row in book.worksheets[0].iter_rows(values_only=True):
            yield [_text(value) for value in row]
    finally:
        book.close()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
