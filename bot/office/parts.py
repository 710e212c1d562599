"""The small parts of a workbook: its list of sheets, relations, shared strings and number formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import Refused
from bot.office import limits
from bot.office.archive import Part
from bot.office.shown import BUILT_IN

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def unescaped(text: str) -> str:
    """`text` with _x000D_ and its like as the characters they stand for, line ends as one."""
    if "_x" in text:
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


@dataclass(frozen=True, slots=True)
class Relation:
    """Where a part points; `kind` is the last word of the relation's type (worksheet, styles, sharedStrings)."""

    kind: str
    target: str


class Relations(Part):
    """The relations of a part, by their id."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Relation] = {}

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            self.found[attributes.get("Id", "")] = Relation(kind, attributes.get("Target", ""))


@dataclass(frozen=True, slots=True)
class Tab:
    """A sheet in the list of sheets."""

    name: str
    hidden: bool
    relation: str


class Book(Part):
    """The list of sheets, and from which year days are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.tabs: list[Tab] = []
        self.since_1904 = False

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "workbookPr":
            self.since_1904 = attributes.get("date1904", "0").lower() in {"1", "true", "on"}
        elif name == "sheet":
            relation = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            hidden = attributes.get("state", "visible") != "visible"
            self.tabs.append(Tab(unescaped(attributes.get("name", "")), hidden, relation))
            if len(self.tabs) > limits.MAX_SHEETS:
                raise Refused("office.too_many_sheets", limit=limits.MAX_SHEETS)


class Strings(Part):
    """The strings that cells share; readings of kanji (furigana) are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._pieces: list[str] = []
        self._taking = self._reading = False

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "si":
            self._pieces = []
        elif name == "rPh":
            self._reading = True
        elif name == "t":
            self._taking = not self._reading

    def data(self, data: str) -> None:
        if self._taking:
            self._pieces.append(data)

    def finish(self, name: str) -> None:
        if name == "t":
            self._taking = False
        elif name == "rPh":
            self._reading = False
        elif name == "si":
            self.found.append(unescaped("".join(self._pieces)))
            if len(self.found) > limits.MAX_FILLED:
                raise Refused("office.too_many_cells", limit=limits.MAX_FILLED)


class Styles(Part):
    """The number format of each cell style; nothing else of the styles is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._codes = dict(BUILT_IN)
        self._own = 0
        self._ids: list[int] = []
        self._in_cells = False

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells and len(self._ids) < limits.MAX_STYLES:
            self._ids.append(int(attributes.get("numFmtId", "0")))
        elif name == "numFmt" and self._own < limits.MAX_STYLES:
            self._own += 1
            self._codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")

    def finish(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False

    def formats(self) -> list[str]:
        """The format code of each style that cells name by its number."""
        return [self._codes.get(identity, "") for identity in self._ids]
