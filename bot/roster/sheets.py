"""Which sheets of a workbook are the roster, and their rows with merged cells filled in.

Hidden sheets are never read unless somebody names them. Several sheets with headings are one roster, a sheet a bureau,
unless the same staff stand on two of them or one is named as an old or an example: then people are asked which one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.errors import Refused
from bot.folding import fold
from bot.office import Sheet
from bot.roster.headings import LEVELS, Columns, find_columns
from bot.roster.model import Problem, Remark, clean, folded
from bot.roster.places import parted

_HEADING_ROWS = 30  # titles, dates and notes above the headings
_OTHER = re.compile(
    r"旧|記入例|記載例|入力例|見本|サンプル|テンプレ|ひな形|雛形|控え|バックアップ|コピー|退職|前年|昨年|old|sample|backup|copy"
)
_BUREAU = re.compile(r"(?:部|局|委員会|本部|署|センター|支所|病院|課|室)$")
_OFFICES = ("level0", "level1")


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet with its headings; `rows` are (number, cells) below them, `bureau` what only the sheet's name says."""

    sheet: Sheet
    columns: Columns
    headings: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]
    bureau: str = ""
    problems: tuple[Problem, ...] = ()
    remarks: tuple[Remark, ...] = ()


def tables_of(sheets: Sequence[Sheet], wanted: str | None = None) -> tuple[list[Table], tuple[str, ...]]:
    """The tables that are the roster, and the names of the sheets that were passed over. Raises `Refused`."""
    if wanted is not None:
        sheets = [sheet for sheet in sheets if fold(sheet.name) == fold(wanted)]
        if not sheets:
            raise Refused("roster.no_such_sheet", name=wanted)
    tables = [(sheet, _table(sheet)) for sheet in sheets]
    found = [table for sheet, table in tables if table is not None and (wanted is not None or not sheet.hidden)]
    if not found:
        hidden = [sheet.name for sheet, table in tables if table is not None]
        if hidden:
            raise Refused("roster.only_hidden", names="、".join(hidden))
        raise Refused("roster.no_headings")
    found = [table for table in found if table.rows] or found[:1]
    if len(found) > 1:
        _ask_which(found)
        found = [_with_bureau(table) for table in found]
    read = {table.sheet.name for table in found}
    unread = [sheet.name for sheet, table in tables if sheet.name not in read and (table is not None or sheet.rows)]
    return [_filled(table) for table in found], tuple(unread)


def _table(sheet: Sheet) -> Table | None:
    for number, cells in enumerate(sheet.rows[:_HEADING_ROWS], 1):
        columns, problems = find_columns([clean(cell) for cell in cells], number)
        if columns is not None:
            rows = [
                (row, below)
                for row, below in enumerate(sheet.rows[number:], number + 1)
                if any(map(clean, below)) or any(at == row for at, _ in sheet.broken)
            ]
            # A sheet a bureau needs no column for it; with one sheet, that is a problem.
            bureau = columns.levels or "department" in columns.at or not _is_bureau(sheet.name)
            if not bureau:
                problems = []
            return Table(sheet, columns, cells, rows, problems=tuple(problems))
    return None


def _ask_which(tables: Sequence[Table]) -> None:
    codes = [
        {folded(cells[at]) for _, cells in table.rows if at < len(cells)} - {""}
        for table in tables
        for at in [table.columns.at["code"]]
    ]
    twice = any(one & other for number, one in enumerate(codes) for other in codes[number + 1 :])
    odd = any(_OTHER.search(fold(table.sheet.name)) for table in tables)
    if twice or odd:
        names = "、".join(f"「{table.sheet.name}」" for table in tables)
        raise Refused("roster.which_sheet", names=names)


def _is_bureau(name: str) -> bool:
    return len(name) > 1 and _BUREAU.search(name) is not None


def _with_bureau(table: Table) -> Table:
    """The table with its sheet's name as the uppermost department where no column says it."""
    columns, name = table.columns, table.sheet.name.strip()
    if not _is_bureau(name) or any(level in columns.at for level in _OFFICES):
        return table
    at = columns.at.get("department")
    paths = [parted(clean(cells[at])) for _, cells in table.rows if at is not None and at < len(cells)]
    if any(path and path[0][-1] in "部局" for path in paths):
        return table
    return Table(table.sheet, columns, table.headings, table.rows, bureau=name, remarks=table.remarks)


def _filled(table: Table) -> Table:
    """The table with the department of merged cells in each of their rows, and what blanks there may mean."""
    columns = [table.columns.at[field] for field in ("department", *LEVELS) if field in table.columns.at]
    rows = {number: list(cells) for number, cells in table.rows}
    for top, left, bottom, _ in table.sheet.merged:
        first = rows.get(top)
        if left not in columns or first is None or left >= len(first):
            continue
        for number in range(top + 1, min(bottom, max(rows)) + 1):
            if (row := rows.get(number)) is not None:
                row += [""] * (left + 1 - len(row))
                row[left] = first[left] if not clean(row[left]) else row[left]
    remarks = list(table.remarks)
    upper = [table.columns.at[level] for level in LEVELS if level in table.columns.at]
    for at, below in pairwise(upper):
        if (remark := _blanks(rows, at, below, table.headings[at])) is not None:
            remarks.append(remark)
    return Table(
        table.sheet,
        table.columns,
        table.headings,
        list(rows.items()),
        table.bureau,
        table.problems,
        tuple(remarks),
    )


def _blanks(rows: dict[int, list[str]], at: int, below: int, heading: str) -> Remark | None:
    """A level that is blank above one that is not: filled from above where it is written once for each, else told."""
    cells = [(number, clean(row[at]), clean(row[below])) for number, row in rows.items() if max(at, below) < len(row)]
    blank = [number for number, upper, lower in cells if not upper and lower]
    if not blank:
        return None
    counts = Counter(upper for _, upper, _ in cells if upper)
    shown = tuple(str(number) for number in blank)
    if not cells[0][1] or any(count > 1 for count in counts.values()):
        return Remark("roster.remark.blank_above", {"heading": heading, "count": len(blank)}, shown)
    last = ""
    for number, upper, lower in cells:
        last = upper or last
        if not upper and lower:
            rows[number][at] = last
    return Remark("roster.remark.filled_down", {"heading": heading, "count": len(blank)}, shown)
