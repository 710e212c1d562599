"""The staff as a file that Excel in Japan opens without a question and that imports back without a difference."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import xlsxwriter
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.roster.cells import harden
from bot.roster.grouping import show_groups
from bot.roster.headings import heading_of
from bot.roster.model import FIELDS, Person
from bot.roster.places import written
from bot.roster.roles import show_roles
from bot.roster.state import load


async def staff(db: AsyncConnection) -> list[Person]:
    """Everybody who works here, by department and staff number."""
    known = (await load(db)).members.values()
    return sorted((k.person for k in known if k.active), key=lambda person: (person.department, person.code))


def to_csv(people: Sequence[Person]) -> bytes:
    """CSV in UTF-8 with a byte order mark. Excel drops leading zeros when it opens any CSV; XLSX keeps them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(_table(people))
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def to_xlsx(people: Sequence[Person]) -> bytes:
    """XLSX with every cell a text, headings that stay in sight and a filter."""
    buffer = io.BytesIO()
    table = _table(people)
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("職員名簿")
        plain = book.add_format({"num_format": "@"})
        bold = book.add_format({"bold": True, "bg_color": "#E8EEF4", "num_format": "@"})
        for row, cells in enumerate(table):
            for column, cell in enumerate(cells):
                sheet.write_string(row, column, cell, plain if row else bold)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(table) - 1, len(table[0]) - 1)
        sheet.set_column(0, len(table[0]) - 1, 18)
    return buffer.getvalue()


def _table(people: Sequence[Person]) -> list[list[str]]:
    adapters = sorted({adapter for person in people for adapter in person.addresses or {}})
    rows = [["職員番号", *map(heading_of, FIELDS), *(f"連絡先:{adapter}" for adapter in adapters)]]
    for person in people:
        cells = [
            person.code,
            person.name,
            person.kana or "",
            written(person.department),
            person.post or "",
            str(person.rank or ""),
            person.email or "",
            show_roles(person.roles or ()),
            show_groups(person.groups or ()),
            *((person.addresses or {}).get(adapter, "") for adapter in adapters),
        ]
        rows.append([harden(cell) for cell in cells])
    return rows
