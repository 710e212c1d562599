"""The agency's scales as ranks that can be compared.

- Earthquakes: 震度階級, 1 to 9 for 1, 2, 3, 4, 5弱, 5強, 6弱, 6強, 7.
- Tsunami: 1 津波予報 (slight change of the sea), 2 津波注意報, 3 津波警報, 4 大津波警報.
- Warnings: 2 注意報, 3 警報, 4 危険警報, 5 特別警報, which are the alert levels 警戒レベル of the 2026 reform.
- Rivers: 1 to 5, the alert levels of 指定河川洪水予報.
"""

from __future__ import annotations

import re
from typing import Final

from broadcasts.jma.telegram import plain

INTENSITIES: Final = ("1", "2", "3", "4", "5-", "5+", "6-", "6+", "7")
INTENSITY_LABELS: Final = (
    "震度１",
    "震度２",
    "震度３",
    "震度４",
    "震度５弱",
    "震度５強",
    "震度６弱",
    "震度６強",
    "震度７",
)
TSUNAMI_CLASSES: Final = ("forecast", "advisory", "warning", "major")
WARNING_CLASSES: Final = {"注意報": 2, "警報": 3, "危険警報": 4, "特別警報": 5}

_SIGNS: Final = str.maketrans({"弱": "-", "強": "+", "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-"})
_TSUNAMI_CODES: Final = {"52": 4, "53": 4, "51": 3, "62": 2, "71": 1, "72": 1, "73": 1, "50": 0, "60": 0, "00": 0}


def intensity(text: str) -> int | None:
    """The rank of 震度 written in any way (`5-`, `５弱`, `震度５弱`), or None if it is none.

    震度５弱以上未入電 (5弱 or more is expected, but the value has not come in) ranks as 5弱: caution wins.
    """
    figure = plain(text).removeprefix("震度").removesuffix("以上未入電").translate(_SIGNS)
    return INTENSITIES.index(figure) + 1 if figure in INTENSITIES else None


def tsunami(name: str, code: str) -> int | None:
    """The rank of 警報等情報要素／津波警報・注意報・予報, by its code or, failing that, by its name."""
    if (level := _TSUNAMI_CODES.get(plain(code))) is not None:
        return level
    known = {"解除": 0, "なし": 0, "大津波警報": 4, "津波警報": 3, "津波注意報": 2, "津波予報": 1}
    return next((level for word, level in known.items() if word in name), None)


def warning(name: str, code: str = "") -> int | None:
    """The rank of a weather warning by its name or, failing that, by its code.

    Source of the codes: 個別コード表 警報等情報要素／気象警報・注意報, with those of the reform (4x 危険警報).
    """
    name, code = plain(name), plain(code)
    if name == "解除" or code == "00":
        return 0
    for word, level in reversed(WARNING_CLASSES.items()):
        if word in name:
            return level
    if not code.isdecimal():
        return None
    number = int(code)
    for first, last, level in ((2, 9, 3), (10, 29, 2), (32, 39, 5), (43, 49, 4)):
        if first <= number <= last:
            return level
    return None


def flood(name: str, code: str) -> int | None:
    """The level of 指定河川洪水予報: the tens of its code (20 氾濫注意 … 51 氾濫発生; 10 is the all-clear).

    Without a code, by its name: both the names until 2025 (氾濫警戒情報) and those of the reform (レベル３氾濫警報).
    """
    code, name = plain(code), plain(name)
    if code == "10":
        return 0
    if re.fullmatch(r"[2-5]\d", code):
        return int(code[0])
    if name.endswith("解除"):
        return 0
    if found := re.search(r"レベル([1-5])", name):
        return int(found[1])
    known = {"氾濫発生": 5, "氾濫危険": 4, "氾濫警戒": 3, "氾濫注意": 2}
    return next((level for word, level in known.items() if word in name), None)
