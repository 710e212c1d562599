"""The numbers of things, as people type them and as buttons carry them back."""

from __future__ import annotations

LARGEST = 10**18 - 1
"""More than any table counts, and both databases take it. What is larger stands for this: it is simply not there."""


def numbered(word: str) -> int | None:
    """The number that a word is, in figures of any width, or None."""
    if not word.isdecimal():
        return None
    return int(word) if len(word) <= len(str(LARGEST)) else LARGEST
