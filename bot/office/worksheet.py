"""One sheet of a workbook, cell by cell as they come; what the file says of its own extent is not asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.errors import Refused
from bot.office import limits
from bot.office.archive import Part
from bot.office.delimited import check_size
from bot.office.parts import Tab, unescaped
from bot.office.sheet import Area, Place, Sheet, Typed
from bot.office.shown import iso_moment, show

_REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")


class Worksheet(Part):
    """Takes a sheet's cells; `finished` gives the sheet."""

    def __init__(self, strings: Sequence[str], formats: Sequence[str], *, since_1904: bool) -> None:
        super().__init__()
        self._strings, self._formats, self._since_1904 = strings, formats, since_1904
        self._rows: dict[int, dict[int, str]] = {}
        self._values: dict[Place, Typed] = {}
        self._broken: set[Place] = set()
        self._merged: list[Area] = []
        self._filled = 0
        self._row, self._column = 0, -1
        self._reference: str | None = None
        self._kind, self._style = "n", ""
        self._pieces: list[str] = []
        self._taking = self._reading = self._formula = False

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self._cell(attributes)
        elif name == "row":
            if "r" in attributes:
                self._row, self._reference = int(attributes["r"]), None
            else:
                self._arrive()
                self._row += 1
            self._column = -1
        elif name in {"v", "t"}:
            self._taking = not self._reading
        elif name == "rPh":
            self._reading = True
        elif name == "f":
            self._formula = True
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def end(self, tag: str) -> None:
        # Nearly all cells of a sheet that somebody has coloured to its end are empty.
        if self._pieces or self._formula or tag != "c":
            self.finish(tag[tag.rfind(":") + 1 :])

    def data(self, data: str) -> None:
        if self._taking:
            self._pieces.append(data)

    def finish(self, name: str) -> None:
        if name in {"v", "t"}:
            self._taking = False
        elif name == "rPh":
            self._reading = False
        elif name == "c" and (self._pieces or self._formula):
            self._keep("".join(self._pieces))

    def _cell(self, attributes: Mapping[str, str]) -> None:
        reference = attributes.get("r")
        if reference is None:
            self._arrive()
            self._column += 1
        else:
            self._reference = reference
        self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
        self._pieces, self._formula = [], False

    def _arrive(self) -> None:
        """Take up the place that the last cell gave itself; most empty cells are never asked for theirs."""
        if self._reference is not None:
            self._row, self._column = _place(self._reference)
            self._reference = None

    def _keep(self, written: str) -> None:
        self._arrive()
        place = (self._row, self._column)
        shown, value = self._read(written)
        faulty = self._kind == "e" or (self._formula and not written and self._kind != "str")
        if not shown and value is None and not faulty:
            return
        if not place[0]:
            raise ValueError("a cell outside of any row")
        self._filled += 1
        check_size(place[0], place[1] + 1, self._filled)
        if len(shown) > limits.MAX_CELL:
            raise Refused("office.cell_too_long", row=place[0], limit=limits.MAX_CELL)
        self._rows.setdefault(place[0], {})[place[1]] = shown
        if value is not None:
            self._values[place] = value
        if faulty:
            self._broken.add(place)

    def _read(self, written: str) -> tuple[str, Typed | None]:
        """A cell as it is shown, and its value where the two differ."""
        if self._kind == "s":
            number = int(written) if written.strip() else -1
            if not 0 <= number < len(self._strings):
                raise ValueError("a shared string that is not there")
            return self._strings[number], None
        if self._kind in {"str", "inlineStr", "e"}:
            return unescaped(written), None
        if not written.strip():
            return "", None
        if self._kind == "b":
            said = written.strip() in {"1", "true"}
            return "TRUE" if said else "FALSE", said
        style = int(self._style) if self._style else -1
        code = self._formats[style] if 0 <= style < len(self._formats) else ""
        if self._kind == "d":
            return show(iso_moment(written.strip()), code)
        if len(written) > 100:
            raise ValueError("a number of too many figures")
        return show(Decimal(written.strip()), code, since_1904=self._since_1904)

    def _merge(self, reference: str) -> None:
        first, _, last = reference.partition(":")
        top, left = _place(first)
        bottom, right = _place(last or first)
        if len(self._merged) >= limits.MAX_ROWS:
            raise Refused("office.too_many_cells", limit=limits.MAX_FILLED)
        self._merged.append((top, left, bottom, right))

    def finished(self, tab: Tab) -> Sheet:
        """The sheet, with the name and the state that the list of sheets gives it."""
        last = max(self._rows, default=0)
        rows: list[list[str]] = []
        for number in range(1, last + 1):
            cells = self._rows.get(number, {})
            rows.append([cells.get(column, "") for column in range(max(cells, default=-1) + 1)])
        return Sheet("xlsx", rows, frozenset(self._broken), tab.name, tab.hidden, self._areas(rows, last), self._values)

    def _areas(self, rows: Sequence[Sequence[str]], last: int) -> tuple[Area, ...]:
        """Merged cells, cut to where the sheet has something to show."""
        widest = max(map(len, rows), default=0)
        areas: list[Area] = []
        covered = 0
        for top, left, bottom, right in self._merged:
            area = (top, left, min(bottom, last), min(right, widest - 1))
            if area[2] >= top and area[3] >= left:
                covered += (area[2] - top + 1) * (area[3] - left + 1)
                if covered > limits.MAX_FILLED:
                    raise Refused("office.too_many_cells", limit=limits.MAX_FILLED)
                areas.append(area)
        return tuple(areas)


def _place(reference: str) -> Place:
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ValueError("a cell at no place")
    column = 0
    for letter in found[1].upper():
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(found[2]), column - 1
