"""Cells that a spreadsheet would run as a formula, made harmless on the way out and put right on the way in."""

from __future__ import annotations

import re

# Excel in Japanese takes the full-width signs for the plain ones.
_FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r]")


def harden(text: str) -> str:
    """The cell with an apostrophe before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def soften(text: str) -> str:
    """The cell that `harden` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
