"""A sheet of an office file: what a reader sees in its cells, and the values behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time

Place = tuple[int, int]
"""Row from 1, as Excel numbers it, and column from 0."""
Area = tuple[int, int, int, int]
"""First row, first column, last row, last column; rows from 1, columns from 0."""
Typed = float | bool | date | datetime | time


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of texts as they are shown; blank rows stand where they stood, blank cells at the end of a row are left out.

    `form`: xlsx, or the encoding of a text file. `broken`: error values, and formulas that were never computed.
    `values`: what lies behind a cell that is shown in another form than it is written in (50%, 000101, 令和5年7月1日).
    """

    form: str
    rows: Sequence[Sequence[str]]
    broken: frozenset[Place] = frozenset()
    name: str = ""
    hidden: bool = False
    merged: tuple[Area, ...] = ()
    values: Mapping[Place, Typed] = field(default_factory=dict)

    def shown(self, row: int, column: int) -> str:
        """The text of a cell as it is shown; empty outside of the sheet."""
        cells = self.rows[row - 1] if 0 < row <= len(self.rows) else ()
        return cells[column] if 0 <= column < len(cells) else ""

    def plain(self, row: int, column: int) -> str:
        """The value of a cell: a date as 2023-07-01, a number without its format; else the text as it is shown."""
        value = self.values.get((row, column))
        if value is None or isinstance(value, bool):
            return self.shown(row, column)
        if isinstance(value, datetime):
            return value.isoformat(" ") if value.time() != time() else value.date().isoformat()
        if isinstance(value, date | time):
            return value.isoformat()
        return str(int(value)) if value.is_integer() else repr(float(f"{value:.15g}"))
