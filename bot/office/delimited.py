"""Text files of cells: CSV and its kin, in the encodings that Japanese offices use.

The encoding is taken strictly, never guessed from frequencies: a byte order mark, the zero bytes of UTF-16, else UTF-8,
else CP932 (what Excel in Japan writes), each without a single error, else the file is refused.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from contextlib import suppress
from itertools import islice

from bot.errors import Refused
from bot.office import limits
from bot.office.sheet import Sheet

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Bytes that Python's cp932 lets through though they are no characters of it.
_NOT_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
_SEPARATOR = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
_DELIMITERS = ",\t;"
_PROBED_LINES = 20
_BEGINNING = 64 * 1024
_END_OF_FILE = "\x1a"  # CP/M's and DOS's mark; host computers still write it


def read_delimited(data: bytes) -> Sheet:
    """The one sheet of a text file; Refused with the reason if it cannot be read."""
    text, form = _decode(data)
    text = text.lstrip("\ufeff").rstrip("\r\n" + _END_OF_FILE)
    if "\0" in text:
        raise Refused("office.no_text")
    if text[:_BEGINNING].lstrip().lower().startswith(("<html", "<!doctype", "<?xml", "<table")):
        raise Refused("office.web_page")
    skipped = 0
    said = _SEPARATOR.match(text)
    if said is not None:
        delimiter, text, skipped = said[1], text[said.end() :], 1
    else:
        delimiter = _delimiter(text[:_BEGINNING])
    return Sheet(form, _rows(text, delimiter, skipped))


def _rows(text: str, delimiter: str, skipped: int) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    filled = 0
    try:
        for row in reader:
            while row and not row[-1]:
                row.pop()
            rows.append(row)
            filled += len(row)
            check_size(len(rows), len(row), filled)
            for cell in row:
                if len(cell) > limits.MAX_CELL:
                    raise Refused("office.cell_too_long", row=len(rows) + skipped, limit=limits.MAX_CELL)
    except csv.Error as error:
        raise Refused("office.broken_csv", line=reader.line_num + skipped) from error
    except ValueError as error:  # a sign that cannot separate, such as a quotation mark after sep=
        raise Refused("office.broken_csv", line=1) from error
    while rows and not rows[-1]:
        rows.pop()
    # The line sep= stands in the file, so that rows are counted as an editor counts them.
    return [[] for _ in range(skipped)] + rows


def _delimiter(beginning: str) -> str:
    """The sign that separates the cells: one that stands in the first line, and there alike in all lines."""
    best, chosen = (False, 0), ","
    for delimiter in _DELIMITERS:
        lines = _probe(beginning, delimiter)
        widths = [len(line) for line in lines if any(cell.strip() for cell in line)]
        if not widths:
            continue
        # A semicolon joins ticked boxes as often as it separates cells; without a heading that has it, it joins.
        width = widths[0] if delimiter == ";" else max(widths)
        found = (len(set(widths)) == 1 and width > 1, width if width > 1 else 0)
        if found > best:
            best, chosen = found, delimiter
    return chosen


def _probe(beginning: str, delimiter: str) -> list[list[str]]:
    """The first lines under a delimiter; as far as they can be read."""
    lines = islice(csv.reader(io.StringIO(beginning, newline=""), delimiter=delimiter), _PROBED_LINES)
    found: list[list[str]] = []
    with suppress(csv.Error):
        found.extend(lines)
    return found


def _decode(data: bytes) -> tuple[str, str]:
    marked = [encoding for mark, encoding in _BOMS if data.startswith(mark)]
    furthest = (-1, "")
    for encoding in marked or _unmarked(data):
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
    raise Refused("office.unknown_encoding", line=data.count(b"\n", 0, offset) + 1, encoding=encoding)


def _unmarked(data: bytes) -> tuple[str, ...]:
    """The encodings to try for a file without a byte order mark."""
    if b"\x1b$" in data[:_BEGINNING]:
        return ("iso2022_jp",)  # plain ASCII to look at, with shifts between
    if b"\0" in data[:_BEGINNING]:
        # Separators and line ends are ASCII, whose other byte is zero; read the wrong way round they are not there.
        found = [(_separators(data[:_BEGINNING], encoding), encoding) for encoding in ("utf-16-le", "utf-16-be")]
        if max(found)[0]:
            return (max(found)[1],)
    return ("utf-8", "cp932")


def _separators(beginning: bytes, encoding: str) -> int:
    text = beginning.decode(encoding, errors="replace")
    return 0 if "\0" in text else sum(map(text.count, _DELIMITERS + "\r\n"))


def check_size(rows: int, columns: int, filled: int) -> None:
    """Refused if there are more rows, columns or filled cells than the limits allow."""
    if rows > limits.MAX_ROWS:
        raise Refused("office.too_many_rows", limit=limits.MAX_ROWS)
    if columns > limits.MAX_COLUMNS:
        raise Refused("office.too_many_columns", limit=limits.MAX_COLUMNS)
    if filled > limits.MAX_FILLED:
        raise Refused("office.too_many_cells", limit=limits.MAX_FILLED)
