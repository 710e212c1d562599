"""From a file to a `Roster`: find the headings, take every row, and list everything that must be mended at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.bilingual import reason, shown
from bot.errors import Refused
from bot.folding import tidy
from bot.mailboxes import fault
from bot.office import read_office_file, read_sheets
from bot.roster.cells import soften
from bot.roster.grouping import LONGEST_NAME, one_line, parse_groups
from bot.roster.headings import LEVELS
from bot.roster.model import BrokenRoster, Person, Problem, Roster, Source, clean, folded
from bot.roster.places import combined
from bot.roster.roles import parse_roles
from bot.roster.sheets import Table, tables_of

MAX_PROBLEMS = 100
"""More than this many are counted, not listed."""

_LONGEST = 200
_LONGEST_GROUPS = 2_000
_DEEPEST = 8
_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
_WIDE = {ord(wide): chr(ord(wide) - 0xFEE0) for wide in map(chr, range(0xFF01, 0xFF5F))}
_RANK = re.compile(r"([0-9]{1,3})級?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ufffd]")
_PRIVATE = re.compile(r"[\ue000-\uf8ff\U000f0000-\U0010ffff]")


def read_file(path: Path, *, sheet: str | None = None) -> Roster:
    """The roster in a file; Refused (BrokenRoster with every place) if it cannot be taken as it is."""
    try:
        return read(read_office_file(path), shown(path.name), sheet=sheet)
    except OSError as error:
        raise Refused("roster.no_file", name=shown(path.name), reason=reason(error)) from error


def read(data: bytes, name: str, *, sheet: str | None = None) -> Roster:
    """The roster in a file's bytes; `name` is what people call the file, `sheet` the one that is meant of several."""
    tables, unread = tables_of(list(read_sheets(data)), sheet)
    if problems := [problem for table in tables for problem in table.problems]:
        raise BrokenRoster(problems)
    several = len(tables) > 1
    reader = _Reader(several=several)
    found = [(table, reader.people(table)) for table in tables]
    if reader.count:
        raise BrokenRoster(reader.problems, reader.count - len(reader.problems))
    first = tables[0]
    return Roster(
        Source(name, hashlib.sha256(data).hexdigest(), first.sheet.form),
        tuple(person for _, people in found for person in people),
        tuple(dict.fromkeys(heading for table in tables for heading in table.columns.ignored)),
        first.columns.headings,
        sheets=tuple((table.sheet.name, len(people)) for table, people in found) if several else (),
        unread=unread,
        remarks=tuple(remark for table in tables for remark in table.remarks),
    )


class _Reader:
    """Takes row after row and collects what is wrong."""

    def __init__(self, *, several: bool) -> None:
        self.problems: list[Problem] = []
        self.count = 0
        self._several = several
        self._table: Table
        self._codes: dict[str, tuple[str, int]] = {}
        self._addresses: dict[tuple[str, str], tuple[str, int]] = {}

    def people(self, table: Table) -> list[Person]:
        """Everybody on one sheet."""
        self._table = table
        broken, headings = table.sheet.broken, list(table.headings)
        people = []
        for number, cells in table.rows:
            # Printed rosters repeat their headings on every page.
            if any(map(clean, cells)) and list(cells) != headings:
                people.append(self._person(cells, number))
            elif any((number, index) in broken for index in table.columns.at.values()):
                self._person(cells, number)
        return people

    def _person(self, cells: Sequence[str], row: int) -> Person:
        """The person in a row; with problems, one that is never used."""
        cell = {field: self._cell(cells, index, field, row) for field, index in self._table.columns.at.items()}
        return Person(
            code=self._code(cell["code"], row),
            name=self._required(cell["name"], "name", row),
            department=self._department(cell, row),
            kana=cell.get("kana"),
            post=cell.get("post"),
            rank=self._rank(cell["rank"], row) if "rank" in cell else None,
            email=self._email(cell["email"], "email", row) if "email" in cell else None,
            roles=self._roles(cell["roles"], row) if "roles" in cell else None,
            groups=self._groups(cell["groups"], row) if "groups" in cell else None,
            addresses=self._take_addresses(cell, row),
            row=row,
            sheet=self._table.sheet.name if self._several else "",
            written=cell.get("department", ""),
        )

    def _cell(self, cells: Sequence[str], index: int, field: str, row: int) -> str:
        if (row, index) in self._table.sheet.broken:
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
        return tidy(value) or value if field in {"name", "kana", "post"} else value

    def _code(self, cell: str, row: int) -> str:
        code = folded(cell)
        if not code:
            self._problem(row, "code", "roster.blank")
        elif not _CODE.fullmatch(code):
            self._problem(row, "code", "roster.bad_code", value=cell)
        elif code in self._codes:
            self._problem(row, "code", "roster.code_twice", value=code, other=self._place(self._codes[code]))
        self._codes.setdefault(code, (self._table.sheet.name, row))
        return code

    def _required(self, cell: str, field: str, row: int) -> str:
        if not cell:
            self._problem(row, field, "roster.blank")
        return cell

    def _department(self, cell: Mapping[str, str], row: int) -> tuple[str, ...]:
        levels = [cell[level] for level in LEVELS if level in cell]
        if self._table.bureau:
            levels = [self._table.bureau, *levels]
        top = bool(self._table.bureau) or "level0" in cell or "level1" in cell
        path = combined(cell.get("department", ""), levels, from_the_top=top)
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

    def _email(self, cell: str, field: str, row: int) -> str:
        email = cell.translate(_WIDE).strip()
        if email and (wrong := fault(email)) is not None:
            self._problem(row, field, "roster.bad_email", value=cell, why=wrong)
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
        here = (self._table.sheet.name, row)
        for adapter, address in taken.items():
            if adapter == "mail":
                taken[adapter] = self._email(address, "address:mail", row)
            other = self._addresses.setdefault((adapter, address), here)
            if address and other != here:
                self._problem(
                    row, f"address:{adapter}", "roster.address_twice", value=address, other=self._place(other)
                )
        return taken or None

    def _place(self, place: tuple[str, int]) -> str:
        """A row as a sentence names it: with its sheet if it stands on another one."""
        sheet, row = place
        return str(row) if sheet == self._table.sheet.name else f"{sheet}!{row}"

    def _problem(self, row: int, field: str, key: str, **values: object) -> None:
        self.count += 1
        if len(self.problems) < MAX_PROBLEMS:
            sheet = self._table.sheet.name if self._several else ""
            self.problems.append(Problem(row, self._table.columns.heading(field), key, values, sheet))
