"""Everybody's receipt and answers as a table that Excel in Japan opens without a question."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import xlsxwriter
from sqlalchemy import and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import to_tokyo
from bot.office.cp932 import to_cp932
from bot.roster.cells import harden
from bot.tables import departments, members
from bot.texts import Texts
from broadcasts.questions import question_of
from broadcasts.tables import broadcast_answers, broadcast_recipients, broadcasts

Encoding = Literal["utf-8", "cp932"]

COLUMNS = (
    "department",
    "code",
    "name",
    "post",
    "adapter",
    "read_at",
    "first_at",
    "first_choice",
    "latest_at",
    "latest_choice",
    "latest_detail",
)

recipient, answer = broadcast_recipients.c, broadcast_answers.c

_ROWS = (
    select(
        departments.c.name.label("department"),
        members.c.code,
        members.c.name,
        members.c.post,
        recipient.adapter,
        recipient.read_at,
        answer.first_at,
        answer.first_choice,
        answer.latest_at,
        answer.latest_choice,
        answer.latest_detail,
    )
    .select_from(broadcast_recipients)
    .join(members, members.c.id == recipient.member_id)
    .join(departments, departments.c.id == recipient.department_id)
    .outerjoin(
        broadcast_answers,
        and_(answer.broadcast_id == recipient.broadcast_id, answer.member_id == recipient.member_id),
    )
    .where(recipient.broadcast_id == bindparam("broadcast_id"))
    .order_by(departments.c.position, departments.c.id, members.c.rank.desc(), members.c.kana, members.c.id)
)


async def table(db: AsyncConnection, broadcast_id: int, texts: Texts) -> list[list[str]]:
    """The headings and a row for each recipient, in the department they were in when the notice went out."""
    rows = await db.execute(_ROWS, {"broadcast_id": broadcast_id})
    headings = [texts(f"export.column.{name}") for name in COLUMNS]
    notice = (await db.execute(select(broadcasts).where(broadcasts.c.id == broadcast_id))).one_or_none()
    question = None if notice is None else question_of(notice)

    def words(name: str, value: str | datetime | None) -> str:
        # An answer stands as its button said it; what no question of the notice says any more stays as it is stored.
        if name.endswith("_choice") and isinstance(value, str) and question is not None and question.knows(value):
            return question.label(texts, value)
        return _cell(value)

    return [headings, *([harden(words(*pair)) for pair in zip(COLUMNS, row, strict=True)] for row in rows)]


def to_csv(rows: Sequence[Sequence[str]], encoding: Encoding) -> bytes:
    """UTF-8 with a byte order mark, or CP932, in which a letter that it lacks becomes a plain one or 〓."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(rows)
    if encoding == "utf-8":
        return text.getvalue().encode("utf-8-sig")
    return to_cp932(text.getvalue())[0]


def to_xlsx(rows: Sequence[Sequence[str]]) -> bytes:
    """XLSX with every cell a text, headings that stay in sight and a filter."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        plain = book.add_format({"num_format": "@"})
        bold = book.add_format({"bold": True, "bg_color": "#E8EEF4", "num_format": "@"})
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(number, column, cell, plain if number else bold)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(len(rows) - 1, 1), len(COLUMNS) - 1)
        sheet.set_column(0, len(COLUMNS) - 1, 18)
        sheet.set_paper(9)  # A4; lying down, one page wide, so that a name and its answer are on one page
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
    return buffer.getvalue()


def _cell(value: str | datetime | None) -> str:
    if isinstance(value, datetime):
        return f"{to_tokyo(value):%Y-%m-%d %H:%M:%S}"
    return value or ""
