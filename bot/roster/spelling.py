"""A file's people in the directory's spelling: names that look the same are one department, one group, one name.

What differs only in what cannot be seen or in blanks is no change. A department keeps the spelling that the directory
has; of a new one, the first in the file counts. What was taken for the same is told with the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.folding import fold, spelled, tidy, twins
from bot.roster.model import SEPARATORS, DepartmentPath, Person, Remark, path_of, shown
from bot.roster.state import Directory, Known


def agreed(people: Sequence[Person], directory: Directory) -> tuple[list[Person], list[Remark]]:
    """People as the directory would write them, and remarks on what was taken for the same."""
    names = _Departments(directory)
    groups = {fold(name): name for known in directory.members.values() for name in known.person.groups or ()}
    found = []
    for person in people:
        known = directory.members.get(person.code)
        mine = known.person.groups or () if known is not None else ()
        found.append(
            replace(
                _as_known(person, known),
                department=names.take(person.department),
                groups=None if person.groups is None else frozenset(_groups(person.groups, mine, groups)),
            )
        )
    limited = [
        person if not person.roles else replace(person, roles=frozenset(map(names.limit, person.roles)))
        for person in found
    ]
    return limited, [*_parted(people), *names.remarks()]


class _Departments:
    """Departments by their folded path."""

    def __init__(self, directory: Directory) -> None:
        self._exact = set(directory.departments)
        self._known: dict[DepartmentPath, DepartmentPath] = {}
        self._respelled: dict[str, str] = {}
        self._made: list[str] = []
        self._by_name: dict[str, set[DepartmentPath]] = {}
        for path in directory.departments:
            self._known.setdefault(_key(path), path)
            self._by_name.setdefault(fold(path[-1]) if path else "", set()).add(path)

    def take(self, path: DepartmentPath) -> DepartmentPath:
        """The path in the spelling that is known, or from now on known in this one."""
        taken: DepartmentPath = ()
        for name in path:
            taken = self._level(taken, name)
        return taken

    def limit(self, role: str) -> str:
        """A role with its department as it is known; a name alone will do where only one department has it."""
        name, at, where = role.partition("@")
        if not at:
            return role
        path = path_of(where)
        known = self._known.get(_key(path))
        if known is None and len(path) == 1 and len(found := self._by_name.get(fold(path[0]), set())) == 1:
            known = next(iter(found))
        return role if known is None else f"{name}@{shown(known)}"

    def remarks(self) -> Iterable[Remark]:
        if self._respelled:
            items = tuple(f"「{one}」→「{other}」" for one, other in self._respelled.items())
            yield Remark("roster.remark.same_department", {"count": len(items)}, items)
        # Under one parent or not: who writes the name means one of them.
        names = [path[-1] for path in self._known.values() if path]
        alike = [each for each in twins(names) if not self._old.issuperset(each)]
        if alike:
            items = tuple(" / ".join(f"「{name}」" for name in each) for each in alike)
            yield Remark("roster.remark.look_alike", {"count": len(items)}, items)

    @property
    def _old(self) -> set[str]:
        return {path[-1] for path in self._exact if path}

    def _level(self, above: DepartmentPath, name: str) -> DepartmentPath:
        path = (*above, name)
        if path in self._exact:
            return path
        name = tidy(name) or name
        path = (*above, name)
        known = self._known.setdefault(_key(path), path)
        if known is path:
            self._by_name.setdefault(fold(name), set()).add(path)
        elif spelled(known[-1]) != spelled(name) or (known[-1] != name and known not in self._exact):
            self._respelled.setdefault(name, known[-1])
        return known


def _key(path: DepartmentPath) -> DepartmentPath:
    return tuple(fold(name) or name for name in path)


def _as_known(person: Person, known: Known | None) -> Person:
    """The person with what the directory has where only blanks or unseen characters differ."""
    if known is None:
        return person
    kept = {
        field: before
        for field in ("name", "kana", "post")
        if (before := getattr(known.person, field)) and spelled(before) == spelled(getattr(person, field) or "")
    }
    return replace(person, **kept)


def _groups(names: Iterable[str], mine: Iterable[str], known: dict[str, str]) -> Iterable[str]:
    own = {fold(name): name for name in mine}
    for name in sorted(names):
        key = fold(name)
        yield own.get(key) or known.setdefault(key, name)


def _parted(people: Sequence[Person]) -> Iterable[Remark]:
    """Departments that one cell held without a mark between them."""
    read = {
        person.written: shown(person.department)
        for person in people
        if person.written and len(person.department) > 1 and not SEPARATORS.search(person.written)
        if "".join(map(spelled, person.department)).endswith(spelled(person.written))
        and spelled(person.written) != spelled(person.department[-1])
    }
    if read:
        items = tuple(f"「{cell}」→ {path}" for cell, path in read.items())
        yield Remark("roster.remark.parted", {"count": len(items)}, items)
