"""Names as people mean them: one key for what a roster holds and what somebody typed, by whatever keyboard or file.

`fold` is for comparing only. What is shown is always the text as it was stored: a key never goes into a message, a file
or a table of names.

Folded away, because it cannot be seen or nobody means it: zero-width and other unseen characters, variation selectors
(葛󠄀 is 葛), blanks of every width, full and half width, upper and lower case, ways of composing (が is か with its mark,
ｶﾞ is ガ), compatibility characters (福 is 福, ㈱ is (株), № is No., ① is 1, 市⺠ is 市民), the kinds of dashes and of
middle dots, and the small ヶ and ヵ of place names. Every dash and the long mark ー become one sign, and none is left
out: センター is センタ− but not センタ.

Kept apart, because they are different words: 髙 and 高, 第一 and 第1, (株) and 株式会社, hiragana and katakana (but for
へ, whose two forms look the same).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable
from functools import lru_cache

_DASHES = "‐‑‒–—―⁃−─━﹘﹣-ーｰ⁻₋"
_DOTS = "·•‧∙⋅・･᛫"
# Radicals that documents copied from a PDF have in the place of the character (Unicode: Equivalent_Unified_Ideograph).
_RADICALS = dict(zip("⺟⺠⻁⻄⻆⻑⻘⻝⻣⻤⻨⻩⻫⻭⻯⻲⺒⻋⻔", "母民虎西角長青食骨鬼麦黄斉歯竜亀巳車門", strict=True))
_ALIKE = (
    dict.fromkeys(map(ord, _DASHES), "-")
    | dict.fromkeys(map(ord, _DOTS), "・")
    | dict.fromkeys(map(ord, "〜∼∿〰"), "~")
    | dict.fromkeys(map(ord, "‘’‛′`´"), "'")
    | dict.fromkeys(map(ord, "“”‟″"), '"')
    | {ord("∕"): "/", ord("⁄"): "/", ord("⧸"): "/", ord("№"): "no."}
    | {ord(radical): whole for radical, whole in _RADICALS.items()}
    | {ord(small): large for small, large in zip("ヶヵへべぺ", "ケカヘベペ", strict=True)}
)
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF), (0x180B, 0x180F))
# Katakana and characters that a reader cannot tell apart in most typefaces.
_TWINS = str.maketrans("カニハロタエトオ-チ|l", "力二八口夕工卜才一千11")
_BREAKS = re.compile(r"(?<!\s)\s*[\r\n\t\x0b\x0c\x85\u2028\u2029]+\s*")
_LONGEST = 200
"""How many characters of a text a name is looked for in."""


@lru_cache(maxsize=1 << 16)
def fold(text: str) -> str:
    """The key by which two names are the same; empty if there is nothing to see in `text`."""
    if text.isascii() and text.isprintable():
        folded = text.lower().translate(_ALIKE)
    else:
        # Marks are joined before what surrounds them is looked at; folding the case can take characters apart again.
        folded = unicodedata.normalize("NFC", _seen(text)).translate(_ALIKE)
        folded = unicodedata.normalize("NFKC", folded).casefold().translate(_ALIKE)
        folded = unicodedata.normalize("NFKC", _seen(folded)).translate(_ALIKE)
    folded = "".join(folded.split())
    if not folded.isascii():
        folded = unicodedata.normalize("NFC", folded)  # a mark that stood after a blank: か ゛
    return _numbered(folded)


def same(one: str, other: str) -> bool:
    """Whether two names are the same to a reader."""
    return fold(one) == fold(other)


def look(text: str) -> str:
    """A coarser key, for warnings only: names that the eye cannot tell apart (工ネルギー課, エネルギー課)."""
    return fold(text).translate(_TWINS)


def tidy(text: str) -> str:
    """`text` as it is stored and shown: without unseen characters and surrounding blanks, line breaks as blanks.

    Width, case, brackets, blanks inside and variation selectors stay: they are how the name is written.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    return _BREAKS.sub(" ", "".join(letter for letter in text if not _unseen(letter) or _selects(letter))).strip()


def spelled(text: str) -> str:
    """The key by which two spellings are one: blanks and what cannot be seen left out, width and case kept."""
    return "".join(unicodedata.normalize("NFC", tidy(text)).split())


def named_at_start(text: str, keys: Container[str]) -> int:
    """How many characters at the start of `text` are the longest name whose folded form is among `keys`; 0 if none.

    A name ends where a blank follows, or the text ends. Names are looked for in the first 200 characters.
    """
    ends = [end for end in range(1, min(len(text), _LONGEST) + 1) if end == len(text) or text[end].isspace()]
    for end in reversed(ends):
        if not text[end - 1].isspace() and (key := fold(text[:end])) and key in keys:
            return end
    return 0


def twins(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Those of `names` that differ in fold and still look the same, together."""
    alike: dict[str, dict[str, str]] = {}
    for name in names:
        alike.setdefault(look(name), {}).setdefault(fold(name), name)
    return [tuple(together.values()) for together in alike.values() if len(together) > 1]


def _seen(text: str) -> str:
    return "".join(letter for letter in text if not _unseen(letter))


def _unseen(letter: str) -> bool:
    if letter.isascii():
        return not letter.isprintable() and not letter.isspace()
    if letter.isspace():
        return False
    return letter in _FILLERS or _selects(letter) or unicodedata.category(letter) in {"Cf", "Cc", "Cs"}


def _selects(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in _SELECTORS)


def _numbered(folded: str) -> str:
    """No.1 and №1 and No1 are one number."""
    if "no." not in folded:
        return folded
    parts = folded.split("no.")
    return parts[0] + "".join(("no" if part[:1].isdigit() else "no.") + part for part in parts[1:])
