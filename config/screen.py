"""How wide the command line writes: as the terminal is, and wide where nobody looks (a pipe, a file, a test)."""

from __future__ import annotations

import sys

WIDE = 200
"""Columns where there is no terminal; rich would take 80 and cut tables that a program is going to read."""


def width() -> int | None:
    """For `rich.console.Console(width=…)`; None follows the terminal."""
    return None if sys.stdout.isatty() else WIDE
