"""From a file to a `Roster`: find the headings, take every row, and list everything that must be mended at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.bilingual import reason, shown
from bot.errors import Refused
from bot.roster.cells import soften
from bot.roster.grid import MAX_BYTES, Sheet, read_sheets
from bot.roster.grouping import LONGEST_NAME, one_line, parse_groups
from bot.roster.headings import Columns, find_columns
from bot.roster.model import BrokenRoster, Person, Problem, Roster, Source, clean, folded, path_of
from bot.roster.roles import parse_roles

MAX_PROBLEMS = 100
"""More than this many are counted, not listed."""

_HEADING_ROWS = 30  # titles, dates and notes above the headings
_LONGEST = 200
_LONGEST_GROUPS = 2_000
_DEEPEST = 8
_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s]+")
_RANK = re.compile(r"([0-9]{1,3})級?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ufffd]")
_PRIVATE = re.compile(r"[\ue000-\uf8ff\U000f0000-\U0010ffff]")


def read_file(path: Path) -> Roster:
    """The roster in a file; Refused (BrokenRoster with every place) if it cannot be taken as it is."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Refused("roster.too_large", limit=MAX_BYTES // 2**20)
        return read(path.read_bytes(), shown(path.name))
    except OSError as error:
        raise Refused("roster.no_file", name=shown(path.name), reason=reason(error)) from error


def read(data: bytes, name: str) -> Roster:
    """The roster in a file's bytes; `name` is what people call the file."""
    for sheet in read_sheets(data):
        for number, cells in enumerate(sheet.rows[:_HEADING_ROWS], 1):
            columns, problems = find_columns([clean(cell) for cell in cells], number)
            if columns is not None:
                if problems:
                    raise BrokenRoster(problems)
                source = Source(name, hashlib.sha256(data).hexdigest(), sheet.form)
                return Roster(source, _people(sheet, columns, number), columns.ignored, columns.headings)
    raise Refused("roster.no_headings")


def _people(sheet: Sheet, columns: Columns, headings_row: int) -> tuple[Person, ...]:
    reader = _Reader(columns, sheet.broken)
    headings = list(sheet.rows[headings_row - 1])
    people = []
    for number, cells in enumerate(sheet.rows[headings_row:], headings_row + 1):
        # Printed rosters repeat their headings on every page.
        if any(map(clean, cells)) and list(cells) != headings:
            people.append(reader.person(cells, number))
        elif any((number, index) in sheet.broken for index in columns.at.values()):
            reader.person(cells, number)
    if reader.count:
        raise BrokenRoster(reader.problems, reader.count - len(reader.problems))
    return tuple(people)


class _Reader:
    """Takes row after row and collects what is wrong."""

    def __init__(self, columns: Columns, broken: frozenset[tuple[int, int]]) -> None:
        self.problems: list[Problem] = []
        self.count = 0
        self._columns = columns
        self._broken = broken
        self._codes: dict[str, int] = {}
        self._addresses: dict[tuple[str, str], int] = {}

    def person(self, cells: Sequence[str], row: int) -> Person:
        """The person in a row; with problems, one that is never used."""
        cell = {field: self._cell(cells, index, field, row) for field, index in self._columns.at.items()}
        return Person(
            code=self._code(cell["code"], row),
            name=self._required(cell["name"], "name", row),
            department=self._department(cell, row),
            kana=cell.get("kana"),
            post=cell.get("post"),
            rank=self._rank(cell["rank"], row) if "rank" in cell else None,
            email=self._email(cell["email"], row) if "email" in cell else None,
            roles=self._roles(cell["roles"], row) if "roles" in cell else None,
            groups=self._groups(cell["groups"], row) if "groups" in cell else None,
            addresses=self._take_addresses(cell, row),
            row=row,
        )

    def _cell(self, cells: Sequence[str], index: int, field: str, row: int) -> str:
        if (row, index) in self._broken:
            self._problem(row, field, "roster.cell_error")
        text = cells[index] if index < len(cells) else ""
        value = soften(clean(one_line(text) if field == "groups" else text))
        longest = _LONGEST_GROUPS if field == "groups" else _LONGEST
        if len(value) > longest:
            self._problem(row, field, "roster.too_long", limit=longest)
        if _CONTROL.search(value):
            self._problem(row, field, "roster.control_character")
        private = _PRIVATE.search(value)
        if private is not None:
            self._problem(row, field, "roster.private_character", code=f"U+{ord(private[0]):04X}")
        return value

    def _code(self, cell: str, row: int) -> str:
        code = folded(cell)
        if not code:
            self._problem(row, "code", "roster.blank")
        elif not _CODE.fullmatch(code):
            self._problem(row, "code", "roster.bad_code", value=cell)
        elif code in self._codes:
            self._problem(row, "code", "roster.code_twice", value=code, other=self._codes[code])
        self._codes.setdefault(code, row)
        return code

    def _required(self, cell: str, field: str, row: int) -> str:
        if not cell:
            self._problem(row, field, "roster.blank")
        return cell

    def _department(self, cell: Mapping[str, str], row: int) -> tuple[str, ...]:
        levels = [cell[level] for level in ("level1", "level2", "level3") if level in cell]
        path = path_of(*levels) or path_of(cell.get("department", ""))
        if not path:
            self._problem(row, "department", "roster.blank")
        elif len(path) > _DEEPEST:
            self._problem(row, "department", "roster.too_deep", limit=_DEEPEST)
        return path

    def _rank(self, cell: str, row: int) -> int:
        found = _RANK.fullmatch(folded(cell))
        if found is None and cell:
            self._problem(row, "rank", "roster.bad_rank", value=cell)
        return int(found[1]) if found else 0

    def _email(self, cell: str, row: int) -> str:
        email = folded(cell)
        if email and not _EMAIL.fullmatch(email):
            self._problem(row, "email", "roster.bad_email", value=cell)
        return email

    def _roles(self, cell: str, row: int) -> frozenset[str]:
        roles, unknown = parse_roles(cell)
        for name in unknown:
            self._problem(row, "roles", "roster.bad_role", value=name)
        return roles

    def _groups(self, cell: str, row: int) -> frozenset[str]:
        groups = parse_groups(cell)
        for name in sorted(groups):
            if len(name) > LONGEST_NAME:
                self._problem(row, "groups", "roster.group_too_long", value=name[:LONGEST_NAME], limit=LONGEST_NAME)
        return groups

    def _take_addresses(self, cell: Mapping[str, str], row: int) -> dict[str, str] | None:
        taken = {field.partition(":")[2]: value for field, value in cell.items() if field.startswith("address:")}
        for adapter, address in taken.items():
            other = self._addresses.setdefault((adapter, address), row)
            if address and other != row:
                self._problem(row, f"address:{adapter}", "roster.address_twice", value=address, other=other)
        return taken or None

    def _problem(self, row: int, field: str, key: str, **values: object) -> None:
        self.count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(row, self._columns.heading(field), key, values))
