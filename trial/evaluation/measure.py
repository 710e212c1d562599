"""How much room text takes on a sheet: not every program finds that out by itself when it opens a workbook."""

from __future__ import annotations

import re
import unicodedata

PADDING = 3
"""Characters left and right of a cell's text."""
LINE = 17
"""Pixels of a line of text."""

_UNBROKEN = re.compile(r"[!-~]+|.", re.DOTALL)


def pixels(width: int) -> int:
    return 7 * width + 5


def wide(text: str) -> int:
    """Columns of a fixed font; Japanese characters take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "FWA" else 1 for sign in text)


def height(text: str, width: int) -> int:
    """Pixels that a text takes in a column of so many characters; a Latin word goes to the next line as a whole."""
    lines, used, room = 1, 0, max(2, width - PADDING)
    for part in _UNBROKEN.findall(text):
        needed = wide(part)
        if used + needed > room:
            lines += (needed - 1) // room + (1 if used else 0)
            used = (needed - 1) % room + 1
        else:
            used += needed
    return LINE * lines
