"""The numbers of things, as people type them and as buttons carry them back."""

from __future__ import annotations

import re
import unicodedata

LARGEST = 10**18 - 1
"""More than any table counts, and both databases take it. What is larger stands for this: it is simply not there."""


_TYPED = re.compile(r"(?:#|no\.?|番号|第)*\s*(\d+)\s*(?:番目?|号)?(?:です|の)?", re.IGNORECASE)


def typed_number(word: str) -> int | None:
    """The number that somebody means by 2, ２, #2, No.2, 2番, 第2号 or 番号2; None if the word is none."""
    found = _TYPED.fullmatch(unicodedata.normalize("NFKC", word).strip())
    return numbered(found[1]) if found else None


def numbered(word: str) -> int | None:
    """The number that a word is, in figures of any width, or None."""
    if not word.isdecimal():
        return None
    return int(word) if len(word) <= len(str(LARGEST)) else LARGEST
