"""A file as rows of cells: CSV in the encodings that Japanese offices use, or XLSX; limits against files that are not.

The encoding is taken strictly, never guessed from frequencies: a byte order mark, else UTF-8, else CP932 (what Excel in
Japan writes), each without a single error, else the file is refused.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from bot.errors import Refused

if TYPE_CHECKING:
    from openpyxl.cell import Cell

MAX_BYTES = 20 * 2**20
MAX_UNPACKED_BYTES = 200 * 2**20
MAX_ROWS = 50_000
MAX_COLUMNS = 200

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Bytes that Python's cp932 lets through though they are no characters of it.
_NOT_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
_ZEROS = re.compile(r"0+")
_MERGED = re.compile(rb"""<mergeCell\s[^>]*?ref=["']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})["']""")
_FORMULA = re.compile(rb"<f[ >/]")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows as Excel numbers them from 1; `broken` holds (row, column) of error values and uncomputed formulas."""

    form: str
    rows: Sequence[Sequence[str]]
    broken: frozenset[tuple[int, int]] = frozenset()
    name: str = ""
    hidden: bool = False
    merged: tuple[tuple[int, int, int, int], ...] = ()  # first row, first column, last row, last column; columns from 0


def read_sheets(data: bytes) -> Iterator[Sheet]:
    """The sheets of a file, one for a CSV; Refused with the reason if it is none that can be read."""
    if len(data) > MAX_BYTES:
        raise Refused("roster.too_large", limit=MAX_BYTES // 2**20)
    if data.startswith(b"PK\x03\x04"):
        yield from _xlsx(data)
    elif data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused("roster.old_excel")
    else:
        yield _csv(data)


# ------------------------------------------------------------------- CSV


def _csv(data: bytes) -> Sheet:
    text, form = _decode(data)
    if "\0" in text:
        raise Refused("roster.no_text")
    beginning = text[:4096]
    delimiter = "\t" if beginning.count("\t") > beginning.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Sequence[str]] = []
    try:
        for row in reader:
            rows.append(row)
            _check_size(len(rows), len(row))
    except csv.Error as error:
        raise Refused("roster.broken_csv", line=reader.line_num) from error
    return Sheet(form, rows)


def _decode(data: bytes) -> tuple[str, str]:
    marked = [encoding for mark, encoding in _BOMS if data.startswith(mark)]
    furthest = (-1, "")
    for encoding in marked or ("utf-8", "cp932"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            furthest = max(furthest, (error.start, encoding))
            continue
        stray = _NOT_CP932.search(text) if encoding == "cp932" else None
        if stray is None:
            return text, encoding
        furthest = max(furthest, (len(text[: stray.start()].encode(encoding)), encoding))
    # The encoding that came furthest is most likely the one that was meant.
    offset, encoding = furthest
    raise Refused("roster.unknown_encoding", line=data.count(b"\n", 0, offset) + 1, encoding=encoding)


# ------------------------------------------------------------------ XLSX


def _xlsx(data: bytes) -> Iterator[Sheet]:
    formulas = _check_archive(data)
    try:
        with ExitStack() as books:
            values = books.enter_context(_open(data, values=True)).worksheets
            written = books.enter_context(_open(data, values=False)).worksheets if formulas else [None] * len(values)
            for sheet, formula in zip(values, written, strict=True):
                yield replace(
                    _sheet(sheet, formula),
                    name=sheet.title,
                    hidden=sheet.sheet_state != "visible",
                    merged=_merged(data, sheet._worksheet_path),
                )
    except (Refused, GeneratorExit):
        raise
    except Exception as error:  # openpyxl meets a broken file with whatever its parts raise
        raise Refused("roster.broken_xlsx") from error


def _open(data: bytes, *, values: bool) -> AbstractContextManager[Any]:
    from openpyxl import load_workbook  # noqa: PLC0415 - only who needs it waits a second for it

    return closing(load_workbook(io.BytesIO(data), read_only=True, data_only=values, keep_links=False))


def _check_archive(data: bytes) -> bool:
    """Refuse what would unpack to more than the limit; whether any sheet has formulas."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # zipfile never unpacks more of a member than the directory says, so the sum holds.
            if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise Refused("roster.too_large_unpacked", limit=MAX_UNPACKED_BYTES // 2**20)
            sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
            return any(_FORMULA.search(archive.read(name)) for name in sheets)
    except Refused:
        raise
    except Exception as error:  # zipfile meets a damaged one with its own errors, zlib's, struct's
        raise Refused("roster.broken_xlsx") from error


def _merged(data: bytes, path: str) -> tuple[tuple[int, int, int, int], ...]:
    """The merged cells of a sheet, which openpyxl does not know of where it reads row by row."""
    from openpyxl.utils import cell  # noqa: PLC0415 - as above

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = [
            tuple(map(cell.coordinate_to_tuple, ref.decode().split(":"))) for ref in _MERGED.findall(archive.read(path))
        ]
    return tuple((top, left - 1, bottom, right - 1) for (top, left), (bottom, right) in found)


def _sheet(sheet: Any, written: Any | None) -> Sheet:
    rows: list[Sequence[str]] = []
    broken: set[tuple[int, int]] = set()
    sheet.reset_dimensions()  # some programs write a wrong one, and rows beyond it would be lost
    for cells in sheet.iter_rows():
        rows.append([_shown(cell) for cell in cells])
        _check_size(len(rows), len(cells))
        broken.update((len(rows), index) for index, cell in enumerate(cells) if cell.data_type == "e")
    if written is not None:
        written.reset_dimensions()
        for number, cells in enumerate(written.iter_rows(), 1):
            broken.update(
                (number, index)
                for index, cell in enumerate(cells)
                if cell.data_type == "f" and not rows[number - 1][index]
            )
    return Sheet("xlsx", rows, frozenset(broken))


def _shown(cell: Cell) -> str:
    """A cell as a person reads it: a number formatted 0000 keeps its zeros, a whole number has no decimal point."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        zeros = _ZEROS.fullmatch(cell.number_format or "")
        return str(value).zfill(len(zeros[0])) if zeros else str(value)
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _check_size(rows: int, columns: int) -> None:
    if rows > MAX_ROWS:
        raise Refused("roster.too_many_rows", limit=MAX_ROWS)
    if columns > MAX_COLUMNS:
        raise Refused("roster.too_many_columns", limit=MAX_COLUMNS)
