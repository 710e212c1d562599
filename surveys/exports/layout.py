"""How large tables are on paper: column widths, and where a page ends; A4, and alike in Excel and LibreOffice."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from math import ceil

from surveys.exports.paper import HIDDEN, Block

LABEL_WIDTH, COUNT_WIDTH, WORDS_WIDTH = 36, 11, 24  # characters
ROW_PIXELS = 18
PAGES = {False: (690, 960), True: (1_010, 630)}
"""Pixels across and down between the margins at full size: a page held upright (False), and one that lies (True)."""
SMALLEST_SCALE = 0.6
"""How small print may be made to keep two tables on one page."""
HEAD_LINES = 14
"""Lines of a page with two tables that are neither's: title, head, headings, space."""


def widths(block: Block) -> list[int]:
    """Characters of each column; the outer labels of a cross table are short, and a column of words takes more."""
    found = [LABEL_WIDTH // 2] * (block.labels - 1) + [LABEL_WIDTH]
    for column in range(block.labels, len(block.header)):
        words = any(isinstance(line[column], str) and line[column] != HIDDEN for line in block.lines)
        found.append(WORDS_WIDTH if words else COUNT_WIDTH)
    return found


def pixels(characters: Iterable[int]) -> int:
    """What columns of so many characters take across."""
    return sum(7 * width + 5 for width in characters)


def header_lines(block: Block) -> int:
    """Lines of the tallest title of a column."""
    fields = zip(block.header, widths(block), strict=True)
    return max(ceil(wide(str(field)) / (width - 1)) for field, width in fields)


def stack_pixels(block: Block) -> int:
    """How high the chart below a cross table is."""
    return (len(block.lines) + 4) * (ROW_PIXELS - 4)


def fit_together(counts: Block, shares: Block) -> bool:
    """Whether a cross table, its shares and their chart fit on one page held upright, large enough to read."""
    across, down = PAGES[False]
    scale = min(1.0, across / pixels(widths(counts)))
    lines = HEAD_LINES + len(counts.lines) + len(counts.remarks) + len(shares.lines)
    return scale >= SMALLEST_SCALE and (lines * ROW_PIXELS + stack_pixels(shares)) * scale <= down


def breaks(starts: Sequence[int], end: int, across: int, *, landscape: bool) -> Iterator[int]:
    """The rows before which a page ends, so that no block that begins at one of `starts` is cut where it fits."""
    page = PAGES[landscape]
    rows = page[1] / min(1.0, page[0] / across) / ROW_PIXELS
    top = 0
    for start, following in zip(starts, [*starts[1:], end], strict=True):
        if following - top > rows and start > top:
            yield start
            top = start


def wide(text: str) -> int:
    """Columns of a fixed font; Japanese signs take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
