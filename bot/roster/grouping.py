"""Groups as a cell names them: `災害連絡用・消防団`, with ・ 、 or ; between them or a line for each.

A name with such a mark in it stands in brackets: `「消防団・女性部」・水防団`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.roster.model import folded

LONGEST_NAME = 40
"""Characters of a group's name."""

_LINES = re.compile(r"(?<!\s)\s*[\r\n\t]+\s*")
# NFKC makes ・ of ･, ; of ；, and leaves 、 and 「」 as they are.
_NAME = re.compile(r"\s*「(.+?)」(?=\s*(?:[・、;,]|$))|([^・、;,]+)")
_NEEDS_BRACKETS = re.compile(r"[・、;,]|^「")


def one_line(cell: str) -> str:
    """The cell with its line breaks as marks between names."""
    return _LINES.sub("、", cell)


def parse_groups(cell: str) -> frozenset[str]:
    """The groups that a cell names."""
    found = (folded(quoted or plain) for quoted, plain in _NAME.findall(folded(cell)))
    return frozenset(name for name in found if name)


def show_groups(groups: Iterable[str]) -> str:
    """Groups as a cell names them."""
    return "・".join(f"「{name}」" if _NEEDS_BRACKETS.search(name) else name for name in sorted(groups))
