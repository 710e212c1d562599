"""Departments as rosters write them: `土木部/土木課`, `福祉部　高齢福祉課`, `土木部土木課`, a level a column.

What is written with a separator (/ > → ｜) is taken at its word. Without one, a cell is parted at blanks and within
words where a larger unit ends and a smaller one follows; the difference shows how each such cell was read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.folding import fold, tidy
from bot.roster.model import SEPARATORS, DepartmentPath, path_of

_UNITS = "部局課室署所館園校院場庁会係班"
_ENDS = re.compile(
    rf"(?:[{_UNITS}]|担当|グループ|チーム|センター|ユニット|本庁舎|支部|[ABC0-9一二三四五六七八九十]係)$"
)
# A larger unit, and what may follow it as a smaller one.
_SMALLER = {
    "局": re.compile(r"(?:部|課|室|所|係|班|担当|グループ|チーム|センター)$"),
    "部": re.compile(r"(?:課|室|所|署|係|班|館|園|担当|グループ|チーム|センター|事務局)$"),
    "署": re.compile(r"(?:課|係|班|担当|隊|分署|出張所)$"),
    "課": re.compile(r"(?:係|班|室|担当|グループ|チーム|センター)$"),
    "室": re.compile(r"(?:係|班|担当|グループ|チーム)$"),
}
# Words that only seem to end with a unit: 内部統制課, 北部農政課, 薬局指導係.
_WORDS = frozenset(
    {
        "内部",
        "外部",
        "北部",
        "南部",
        "東部",
        "西部",
        "中部",
        "全部",
        "一部",
        "上部",
        "下部",
        "各部",
        "沿岸部",
        "山間部",
        "都市部",
        "中心部",
        "北東部",
        "北西部",
        "南東部",
        "南西部",
        "中央部",
        "支部",
        "幹部",
        "学部",
        "医学部",
        "運動部",
        "薬局",
        "結局",
        "当局",
        "郵便局",
        "放送局",
        "保険薬局",
        "教室",
        "研究室",
        "温室",
        "病室",
        "浴室",
        "各課",
        "本部",
        "部署",
    }
)
# What goes on with the word before: 部長室, 部活動課, 課税係, 課題対策室, 局地対策係.
_GOES_ON = re.compile(
    r"長|員|門|会|内|外|品|屋|活動|分|隊|題|程|目|税(?:課|係|室|班|担当|グループ|チーム|第|\d|[一二三])|地|面|付|別|署"
)


def parted(cell: str) -> DepartmentPath:
    """The department that one cell names; () if it is blank."""
    if SEPARATORS.search(cell):
        return path_of(cell)
    seen, parts = tidy(cell), list[str]()
    end = 0
    for found_word in re.finditer(r"\S+", seen):
        word = found_word[0]
        # Only what ends as a unit is one: DX 推進室 is a name with a blank in it, and so is 市民課 （本庁）.
        if parts and (not _is_unit(parts[-1]) or (word[0] in "(（〔[［【「・" and not _ENDS.search(word))):
            parts[-1] += seen[end : found_word.end()]
        else:
            parts.append(word)
        end = found_word.end()
    found = tuple(name for part in parts for name in _within(part))
    return found if len(found) > 1 else path_of(cell)  # as it was written, if it is one


def combined(department: str, levels: Sequence[str], *, from_the_top: bool) -> DepartmentPath:
    """The department that a cell and cells of levels name together; `from_the_top`: the levels begin with a 局 or 部.

    A level that repeats those above it (総務部, 総務部総務課) is taken without them.
    """
    path: DepartmentPath = ()
    for level in levels:
        for name in path_of(level):
            path = (*path, *_without_repetition(name, path))
    whole = parted(department)
    if not path or not whole:
        return path or whole
    for shared in range(min(len(path), len(whole)), 0, -1):
        if list(map(fold, whole[-shared:])) == list(map(fold, path[:shared])):
            return (*whole, *path[shared:])
    return path if from_the_top else (*whole, *path)


def written(path: DepartmentPath) -> str:
    """The department in one cell, which `parted` takes back as it is."""
    shown = "/".join(path)
    return shown if parted(shown) == path else f"/{shown}"


def _is_unit(name: str) -> bool:
    return len(name) > 1 and _ENDS.search(name) is not None


def _within(word: str) -> list[str]:
    """A word without blanks, parted where a larger unit ends: 総務部総務課庶務係."""
    for at, letter in enumerate(word[:-1], 1):
        smaller = _SMALLER.get(letter)
        head, tail = word[:at], word[at:]
        if smaller is None or len(head) < 2 or len(tail) < 2 or head in _WORDS or _GOES_ON.match(tail):
            continue
        if smaller.search(tail) and not re.search(r"[(（〔]", head):
            return [head, *_within(tail)]
    return [word]


def _without_repetition(name: str, above: DepartmentPath) -> DepartmentPath:
    whole = "".join(above)
    for start in (whole, above[-1] if above else ""):
        rest = name.removeprefix(start).strip() if start and _is_unit(start) else name
        if not rest:
            return ()
        if rest != name and _is_unit(rest):
            return (rest,)
    return (name,)
