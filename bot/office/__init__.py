"""The one reader of office files, for the roster, answers from elsewhere, and counts.

`read_sheets` gives the sheets of a CSV or XLSX file, or raises `Refused` with a sentence that says what to mend. The
way through the folder: `limits`, then `delimited` for text files, or `archive`, `workbook`, `parts`, `worksheet` and
`shown` (number formats) for workbooks; `sheet` is what comes out.

Workbooks are read as XML under bounds, and not by openpyxl, which reads styles and shared strings without any: a style
sheet of some kilobytes, packed, took 2.8 GB.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bot.errors import Refused
from bot.office import limits
from bot.office.delimited import read_delimited
from bot.office.sheet import Area, Place, Sheet, Typed
from bot.office.workbook import read_workbook

__all__ = ["Area", "Place", "Sheet", "Typed", "read_office_file", "read_sheets"]


def read_sheets(data: bytes) -> Iterator[Sheet]:
    """The sheets of a file, one for a CSV; Refused with the reason if it is none that can be read."""
    if len(data) > limits.MAX_BYTES:
        raise Refused("office.too_large", limit=limits.MAX_BYTES // 2**20)
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        yield from read_workbook(data)
    elif data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused("office.old_excel")
    else:
        yield read_delimited(data)


def read_office_file(path: Path) -> bytes:
    """The bytes of a file within the limit; Refused if it is larger, OSError if it cannot be read."""
    with path.open("rb") as file:
        data = file.read(limits.MAX_BYTES + 1)
    if len(data) > limits.MAX_BYTES:
        raise Refused("office.too_large", limit=limits.MAX_BYTES // 2**20)
    return data
