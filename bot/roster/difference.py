"""What an import would do: who joins, leaves, moves, changes or returns, and which departments are made or emptied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.folding import fold
from bot.roster.headings import heading_of
from bot.roster.model import BrokenRoster, DepartmentPath, Person, Problem, Remark, Roster, Source
from bot.roster.ranks import Title, derive
from bot.roster.spelling import agreed
from bot.roster.state import Directory, Known, load

MOST_LEAVE = 0.2
"""A larger share of the staff than this leaves only when somebody says so: most likely the file is a part of one."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's value before and after, as the roster would write it; `address:ADAPTER` for an address."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Change:
    """A member who is known and will be different; a move is a change whose fields include the department."""

    known: Known
    person: Person
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between a file and the directory; what is shown is what `apply` does, or it refuses."""

    source: Source
    staff: int  # active members before
    joins: tuple[Person, ...]
    returns: tuple[Change, ...]  # inactive, active again
    leaves: tuple[Known, ...]
    moves: tuple[Change, ...]
    changes: tuple[Change, ...]
    unchanged: int
    departments_made: tuple[DepartmentPath, ...]
    departments_emptied: tuple[DepartmentPath, ...]
    fingerprint: str
    ignored: tuple[str, ...] = ()
    released: Mapping[str, frozenset[str]] = field(default_factory=dict)  # leavers' addresses that others now have
    titles: tuple[Title, ...] = ()  # where the file has titles and no ranks: the titles, from the highest
    remarks: tuple[Remark, ...] = ()
    sheets: tuple[tuple[str, int], ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the file says what the directory says."""
        return not (self.joins or self.returns or self.leaves or self.moves or self.changes)

    @property
    def many_leave(self) -> bool:
        """Whether so many would leave that it needs an explicit word."""
        return len(self.leaves) > MOST_LEAVE * self.staff


async def plan(db: AsyncConnection, roster: Roster) -> Plan:
    """Compare a roster with the directory; BrokenRoster for what can only be seen with both before us."""
    directory = await load(db)
    roster, remarks, titles = _settled(roster, directory)
    listed = {person.code for person in roster.people}
    joins: list[Person] = []
    returns: list[Change] = []
    moves: list[Change] = []
    changes: list[Change] = []
    for person in roster.people:
        known = directory.members.get(person.code)
        if known is None:
            joins.append(person)
            continue
        change = Change(known, person, tuple(_differences(known.person, person)))
        if not known.active:
            returns.append(change)
        elif any(difference.field == "department" for difference in change.fields):
            moves.append(change)
        elif change.fields:
            changes.append(change)
    active = {code: known for code, known in directory.members.items() if known.active}
    leaves = tuple(known for code, known in active.items() if code not in listed)
    problems = _lost_zeros(joins, active, roster) + _unknown_limits(roster, directory)
    if problems:
        raise BrokenRoster(sorted(problems, key=lambda problem: problem.row))
    made, emptied = _departments(roster.people, active.values(), directory)
    if (left := _left_behind(roster.people, directory, emptied)) is not None:
        remarks = (*remarks, left)
    return Plan(
        source=roster.source,
        staff=len(active),
        joins=tuple(joins),
        returns=tuple(returns),
        leaves=leaves,
        moves=tuple(moves),
        changes=tuple(changes),
        unchanged=len(listed) - len(joins) - len(returns) - len(moves) - len(changes),
        departments_made=made,
        departments_emptied=emptied,
        fingerprint=directory.fingerprint,
        ignored=roster.ignored,
        released=_released(roster, directory),
        titles=titles,
        remarks=remarks,
        sheets=roster.sheets,
        unread=roster.unread,
    )


def _settled(roster: Roster, directory: Directory) -> tuple[Roster, tuple[Remark, ...], tuple[Title, ...]]:
    """The roster in the directory's spelling and with the ranks of its titles; what is to be said about both."""
    people, remarks = agreed(roster.people, directory)
    known = {code: (each.person.post or "", each.person.rank or 0) for code, each in directory.members.items()}
    before: dict[str, int] = {}
    for each in directory.members.values():
        if each.active and each.person.post and each.person.rank:
            before[fold(each.person.post)] = min(each.person.rank, before.get(fold(each.person.post), each.person.rank))
    people, titles = derive(people, known, before)
    return replace(roster, people=tuple(people)), (*roster.remarks, *remarks), tuple(titles)


def _differences(before: Person, after: Person) -> Iterable[FieldChange]:
    old = dict(before.items())
    for name, value in after.items():
        if old.get(name, "") != value:
            yield FieldChange(name, old.get(name, ""), value)


def _departments(
    people: Iterable[Person], active: Iterable[Known], directory: Directory
) -> tuple[tuple[DepartmentPath, ...], tuple[DepartmentPath, ...]]:
    # A dict keeps the file's order, which is the order on lists; a level above comes before the levels below it.
    after = {
        path[:depth]: None for path in (person.department for person in people) for depth in range(1, len(path) + 1)
    }
    before = {
        known.person.department[:depth] for known in active for depth in range(1, len(known.person.department) + 1)
    }
    made = tuple(path for path in after if path not in directory.departments)
    emptied = tuple(sorted(path for path in before if path not in after))
    return made, emptied


def _left_behind(people: Iterable[Person], directory: Directory, emptied: Iterable[DepartmentPath]) -> Remark | None:
    """Roles that hold only in a department where nobody is left: whoever has one decides about nobody."""
    gone = set(emptied)
    items = []
    for person in people:
        known = directory.members.get(person.code)
        roles = person.roles if person.roles is not None else (known.person.roles if known is not None else None)
        items += [
            f"{person.code} {person.name}: {role}"
            for role in sorted(roles or ())
            if tuple(role.partition("@")[2].split("/")) in gone
        ]
    return Remark("roster.remark.left_behind", {"count": len(items)}, tuple(items)) if items else None


def _released(roster: Roster, directory: Directory) -> dict[str, frozenset[str]]:
    """Addresses that the file gives to somebody while one who is no longer here holds them, by the holder's code.

    Holders who are in the file are no matter: it speaks of their address too, and no address twice.
    """
    listed = {person.code for person in roster.people}
    holders = {
        (adapter, address): code
        for code, known in directory.members.items()
        for adapter, address in (known.person.addresses or {}).items()
        if code not in listed
    }
    released: dict[str, set[str]] = {}
    for person in roster.people:
        for adapter, address in (person.addresses or {}).items():
            if (adapter, address) in holders:
                released.setdefault(holders[adapter, address], set()).add(adapter)
    return {code: frozenset(adapters) for code, adapters in released.items()}


def _lost_zeros(joins: Iterable[Person], active: Mapping[str, Known], roster: Roster) -> list[Problem]:
    """Staff numbers that Excel has robbed of their leading zeros: whole staffs would leave and join anew."""
    widths = {len(code) for code in active}
    width = max(widths, default=0)
    return [
        _problem(roster, person.row, "code", "roster.lost_zeros", person.code, expected=person.code.zfill(width))
        for person in joins
        if len(widths) == 1 and len(person.code) < width and person.code.zfill(width) in active
    ]


def _unknown_limits(roster: Roster, directory: Directory) -> list[Problem]:
    """Roles limited to a department that neither the directory nor the file has."""
    departments = set(directory.departments)
    departments.update(person.department[:depth] for person in roster.people for depth in range(1, 9))
    return [
        _problem(roster, person.row, "roles", "roster.unknown_limit", limit)
        for person in roster.people
        for role in sorted(person.roles or ())
        if (limit := role.partition("@")[2]) and tuple(limit.split("/")) not in departments
    ]


def _problem(roster: Roster, row: int, name: str, key: str, value: str, **values: object) -> Problem:
    heading = (roster.columns or {}).get(name, heading_of(name))
    sheet = next((person.sheet for person in roster.people if person.row == row and person.sheet), "")
    return Problem(row, heading, key, {"value": value, **values}, sheet)
