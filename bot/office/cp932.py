"""Text in CP932 for older office software: what it lacks in a form it has, else 〓, and what was replaced is told."""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "〓"
"""The geta mark, which Japanese printing puts where a character is missing."""

_MARKED = re.compile("[^\u0300-\u036f\u3099\u309a][\u0300-\u036f\u3099\u309a]+")
# The same sign to every reader: dashes, waves, minus and bars, which Unicode and CP932 tell apart in other ways.
_PLAIN = {
    "—": "―", "–": "‐", "‑": "‐", "‒": "‐", "−": "－", "〜": "～", "‖": "∥", "¢": "￠", "£": "￡", "¬": "￢", "¥": "￥",
    "•": "・", "‧": "・", "⋅": "・", "·": "・", "\u00a0": " ", "\u2003": "\u3000", "\u2002": " ",
    "©": "(C)", "®": "(R)", "™": "(TM)", "€": "EUR", "⁄": "/", "∕": "/", "ゔ": "ヴ",
}  # fmt: skip


def to_cp932(text: str) -> tuple[bytes, tuple[str, ...]]:
    """`text` as bytes, and what had to be replaced, each once; invisible selectors and joiners are just left out."""
    missing: dict[str, None] = {}
    # Only marks are joined to what they stand on: to normalize all would lose 福 (U+FA1B), which CP932 has.
    composed = _MARKED.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)
    return b"".join(_sign(sign, missing) for sign in composed), tuple(missing)


def _sign(sign: str, missing: dict[str, None]) -> bytes:
    if "\u0080" <= sign <= "\u009f" or _unseen(sign):
        return b""
    for form in (sign, _PLAIN.get(sign, ""), unicodedata.normalize("NFKC", sign)):
        try:
            found = form.encode("cp932")
        except UnicodeEncodeError:
            continue
        if found:
            if form != sign:
                missing[sign] = None
            return found
    missing[sign] = None
    return REPLACEMENT.encode("cp932")


def _unseen(sign: str) -> bool:
    selector = "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef"
    return selector or sign in "\u200b\u200c\u200d\u2060\ufeff"
