"""What an installation knows from elsewhere, as files: the chat service's own counts, and who belongs to which group.

Both are read whole before anything is stored; whatever must be mended is named by line and column, all at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from bot.clock import TOKYO
from bot.errors import KairanbanError
from bot.office import Sheet, read_sheets
from bot.texts import Texts

MOST_PROBLEMS = 50
"""More than these are counted, not listed."""
LONGEST = 40
"""Characters of a group's name."""

DATE, CODE = "date", "code"
ACTIVE = "active"
"""People who wrote, pressed or read in the month of the date."""

COUNT_HEADINGS: Mapping[str, tuple[str, ...]] = {
    DATE: ("日付", "date"),
    "users": ("利用者", "アカウント", "users"),
    "rooms": ("ルーム", "グループ", "rooms"),
    "largest_room": ("最大のルーム", "largest_room"),
    "pairs": ("1対1", "個別トーク", "pairs"),
    "messages": ("メッセージ", "messages"),
    "files": ("ファイル", "files"),
    ACTIVE: ("使った人", "アクティブ", "active"),
}
TRAIT_HEADINGS: Mapping[str, tuple[str, ...]] = {
    CODE: ("職員番号", "番号", "code"),
    "age": ("年代", "age"),
    "skill": ("機器の操作", "スキル", "skill"),
    "employment": ("雇用形態", "employment"),
    "device": ("使う端末", "端末", "device"),
}
FROM_THE_ROSTER = ("氏名", "所属", "name", "department")
"""Columns that such files often have and the roster knows better; they are passed over."""

T = TypeVar("T")

_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?: 00:00(?::00)?)?")
_COUNT = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,15}")


class BrokenFile(KairanbanError):
    """A file that cannot be taken; the text has a line for each place to mend."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the service had counted when a day ended, by the keys of `bot.usage.usage_snapshots`."""

    day: date
    counts: Mapping[str, int]

    @property
    def at(self) -> datetime:
        """Midnight, which closes the day."""
        return datetime.combine(self.day + timedelta(days=1), time(), TOKYO)


def read_counts(data: bytes, texts: Texts) -> list[Counts]:
    """The counts in a CSV or XLSX, a line a day; raises `BrokenFile`, or `Refused` for what is no such file."""
    reader = _Reader(data, COUNT_HEADINGS, DATE, texts)
    found: dict[date, Counts] = {}
    for row, cells in reader.rows():
        day = reader.value(row, DATE, cells, _day, "not_a_date")
        said = [key for key in cells if key != DATE and cells[key]]
        read = {key: reader.value(row, key, cells, _count, "not_a_count") for key in said}
        numbers = {key: number for key, number in read.items() if number is not None}
        if day is None:
            continue
        if day in found:
            reader.fault(row, DATE, "twice", value=day)
        if ACTIVE in numbers:
            numbers[f"active:{day:%Y-%m}"] = numbers.pop(ACTIVE)
        found[day] = Counts(day, numbers)
    reader.finish(bool(found))
    return sorted(found.values(), key=lambda counts: counts.day)


def read_traits(
    data: bytes, texts: Texts, staff: Collection[str], *, skip_unknown: bool = False
) -> tuple[dict[str, dict[str, str]], int]:
    """Groups by trait and staff number from a CSV or XLSX, and how many people were passed over as unknown.

    Raises `BrokenFile`, or `Refused` for what is no such file. Blank cells say nothing.
    """
    reader = _Reader(data, TRAIT_HEADINGS, CODE, texts)
    found: dict[str, dict[str, str]] = {key: {} for key in reader.columns if key != CODE}
    seen: set[str] = set()
    unknown = 0
    for row, cells in reader.rows():
        code = cells[CODE]
        if code in seen:
            reader.fault(row, CODE, "twice", value=code)
        elif code not in staff and not skip_unknown:
            reader.fault(row, CODE, "unknown_code" if code else "no_code", value=code)
        seen.add(code)
        unknown += code not in staff
        for trait, people in found.items():
            if len(cells[trait]) > LONGEST:
                reader.fault(row, trait, "too_long", limit=LONGEST)
            elif cells[trait] and code in staff:
                people[code] = cells[trait]
    reader.finish(any(found.values()))
    return found, unknown


class _Reader:
    """A file's rows under known headings, and what is wrong with it."""

    def __init__(self, data: bytes, headings: Mapping[str, Sequence[str]], needed: str, texts: Texts) -> None:
        self._texts = texts
        self._faults: list[str] = []
        sheets = (sheet for sheet in read_sheets(data) if not sheet.hidden and sheet.rows)
        self._sheet: Sheet = next(sheets, Sheet("", ()))
        self._headings = headings
        names = {name: key for key, spellings in headings.items() for name in spellings}
        # A line sep=, or nothing, may stand above the headings.
        self._top = next((row for row, cells in enumerate(self._sheet.rows, 1) if any(map(str.strip, cells))), 1)
        first = [_plain(cell) for cell in self._sheet.rows[self._top - 1]] if self._sheet.rows else []
        self.columns: dict[str, int] = {}
        for place, heading in enumerate(first):
            key = names.get(heading.casefold())
            if key is not None and key not in self.columns:
                self.columns[key] = place
            elif key is not None:
                self._say(self._top, heading, "twice", value=heading)
            elif heading and heading.casefold() not in FROM_THE_ROSTER:
                known = "、".join(spellings[0] for spellings in headings.values())
                self._say(self._top, heading, "unknown_heading", known=known)
        if needed not in self.columns or len(self.columns) < 2:
            self._say(
                self._top, headings[needed][0], "no_heading", known="、".join(name[0] for name in headings.values())
            )
            self.finish(found=True)

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Each line that is not blank, with its number in the file and its cells by key."""
        for row, cells in enumerate(self._sheet.rows[self._top :], start=self._top + 1):
            if any(cell.strip() for cell in cells):
                yield row, {key: _plain(self._cell(row, key, place)) for key, place in self.columns.items()}

    def _cell(self, row: int, key: str, place: int) -> str:
        """Dates and counts by their value, whatever their format; names and numbers of people as they are shown."""
        counted = key in COUNT_HEADINGS and key != CODE
        return self._sheet.plain(row, place) if counted else self._sheet.shown(row, place)

    def value(
        self, row: int, key: str, cells: Mapping[str, str], read: Callable[[str], T | None], fault: str
    ) -> T | None:
        """A cell as `read` understands it; None, and a fault, if it does not."""
        found = read(cells[key])
        if found is None:
            self.fault(row, key, fault, value=cells[key][:LONGEST])
        return found

    def fault(self, row: int, key: str, problem: str, **values: object) -> None:
        """Something is wrong in a line, in the column of `key`."""
        self._say(row, self._headings[key][0], problem, **values)

    def _say(self, row: int, column: str, problem: str, **values: object) -> None:
        said = self._texts(f"usage_file.{problem}", **values)
        self._faults.append(self._texts("usage_file.place", row=row, column=column, problem=said))

    def finish(self, found: bool) -> None:
        """Raise `BrokenFile` if anything is wrong, or if nothing was `found`."""
        if not found and not self._faults:
            self._faults.append(self._texts("usage_file.empty"))
        if self._faults:
            more = len(self._faults) - MOST_PROBLEMS
            lines = self._faults[:MOST_PROBLEMS]
            raise BrokenFile("\n".join([*lines, *([self._texts("usage_file.more", count=more)] if more > 0 else [])]))


def _plain(cell: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", cell).split())


def _day(text: str) -> date | None:
    found = _DATE.fullmatch(text)
    try:
        return None if found is None else date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def _count(text: str) -> int | None:
    return int(text.replace(",", "")) if _COUNT.fullmatch(text) else None
