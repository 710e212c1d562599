"""Audiences as people say them: `総務部`, `課長以上`, `消防団`, `総務部&課長以上`, a staff number, a name.

One word may be a department (by name, code or path `総務部/総務課`), a group, a post, a role or a person. Where it is
two of them, or two departments share it, nobody guesses: the error lists what it may mean, in words that name just one.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import ROLE_NAMES
from bot.errors import Refused
from bot.tables import departments, groups, members
from broadcasts.audience import (
    EVERYONE,
    Audience,
    Both,
    Departments,
    Either,
    Groups,
    Members,
    PostAndAbove,
    Posts,
    Roles,
    Without,
)

ALL = frozenset({"全職員", "全員", "everyone", "all"})
ABOVE = ("以上", "+")
NEAR = 3
"""How many near names an error suggests."""

_PREFIXES = {
    "所属": "department",
    "department": "department",
    "グループ": "group",
    "group": "group",
    "役職": "post",
    "post": "post",
    "役割": "role",
    "role": "role",
    "職員": "member",
    "member": "member",
}
_SHOWN = {"department": "所属", "group": "グループ", "post": "役職", "role": "役割", "member": "職員"}

# A word ends at a space, so the name of a person is written without the one that rosters have in it.
_WHOLE_NAME = func.replace(func.replace(members.c.name, " ", ""), "\u3000", "")
_PEOPLE = (
    select(members.c.id, members.c.code, members.c.name)
    .where(members.c.active, or_(members.c.code == bindparam("name"), bindparam("whole") == _WHOLE_NAME))
    .order_by(members.c.id)
    .limit(5)
)


class UnknownName(Refused):
    """A name that stands for nothing; `near` are the names that look most like it."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.near = difflib.get_close_matches(name, sorted(known), n=NEAR, cutoff=0.3)
        if self.near:
            super().__init__("refused.unknown_name_near", name=name, names=" / ".join(self.near))
        else:
            super().__init__("refused.unknown_name", name=name)


class AmbiguousName(Refused):
    """A name that stands for several things; `choices` each name one of them."""

    def __init__(self, name: str, choices: Sequence[str]) -> None:
        self.name = name
        self.choices = tuple(choices)
        super().__init__("refused.ambiguous_name", name=name, names=" / ".join(f"@{choice}" for choice in choices))


async def named(db: AsyncConnection, included: Sequence[str], excluded: Sequence[str] = ()) -> Audience:
    """The union of `included` without `excluded`; a name with `&` in it is an intersection.

    Nothing included means all staff. Raises `UnknownName` or `AmbiguousName` for the first name that cannot be used.
    """
    audience: Audience = EVERYONE
    if included or excluded:
        book = await _open(db)
        if included:
            audience = _union([await book.find_all(db, name) for name in included])
        if excluded:
            audience = Without(base=audience, excluded=_union([await book.find_all(db, name) for name in excluded]))
    return audience


@dataclass(slots=True)
class _Book:
    """Every name but those of people, folded, with what it stands for: (kind, words that name just this, set)."""

    entries: dict[str, list[tuple[str, str, Audience]]] = field(default_factory=lambda: defaultdict(list))
    posts: dict[str, str] = field(default_factory=dict)

    async def find_all(self, db: AsyncConnection, name: str) -> Audience:
        parts = [await self.find(db, part) for part in name.replace("＆", "&").split("&") if part.strip()]
        if not parts:
            raise UnknownName(name, ())
        return parts[0] if len(parts) == 1 else Both(parts=tuple(parts))

    async def find(self, db: AsyncConnection, name: str) -> Audience:
        kind, word = _take_prefix(name.strip())
        folded = _fold(word)
        if folded in ALL and kind is None:
            return EVERYONE
        found = [entry for entry in self.entries.get(folded, ()) if kind in {None, entry[0]}]
        for ending in ABOVE:
            post = self.posts.get(folded.removesuffix(ending)) if folded.endswith(ending) else None
            if post is not None and kind in {None, "post"}:
                found.append(("post", f"{post}以上", PostAndAbove(post=post)))
        if kind in {None, "member"}:
            people = (await db.execute(_PEOPLE, {"name": word, "whole": "".join(word.split())})).all()
            found += [("member", person.code, Members(ids=(person.id,))) for person in people]
        if not found:
            raise UnknownName(word, self._known())
        if len(found) > 1:
            raise AmbiguousName(word, [f"{_SHOWN[kind]}:{exact}" for kind, exact, _ in found])
        return found[0][2]

    def add(self, word: str, kind: str, exact: str, audience: Audience) -> None:
        entry = (kind, exact, audience)
        # A department whose code is its name, or two words of one role, is still one thing.
        if all(known[0] != kind or known[2] != audience for known in self.entries[_fold(word)]):
            self.entries[_fold(word)].append(entry)

    def _known(self) -> set[str]:
        names = {exact for entries in self.entries.values() for _, exact, _ in entries}
        return names | {name.split("/")[-1] for name in names} | {f"{post}以上" for post in self.posts.values()}


async def _open(db: AsyncConnection) -> _Book:
    book = _Book()
    rows = await db.execute(select(departments.c.id, departments.c.code, departments.c.name, departments.c.parent_id))
    tree = {row.id: row for row in rows}
    paths = {number: _path(number, {each.id: (each.name, each.parent_id) for each in tree.values()}) for number in tree}
    for row in tree.values():
        path = paths[row.id]
        words = {row.name, row.code, *("/".join(path[start:]) for start in range(len(path)))}
        for word in words:
            book.add(word, "department", "/".join(path), Departments(ids=(row.id,)))
    for group in await db.execute(select(groups.c.id, groups.c.name)):
        book.add(group.name, "group", group.name, Groups(ids=(group.id,)))
    for post in await db.scalars(select(members.c.post).where(members.c.active, members.c.post != "").distinct()):
        book.add(post, "post", post, Posts(names=(post,)))
        book.posts[_fold(post)] = post
    for shown, role in ROLE_NAMES.items():
        for word in (shown, role):
            book.add(word, "role", role, Roles(names=(role,)))
    return book


def _path(number: int, tree: Mapping[int, tuple[str, int | None]]) -> list[str]:
    names: list[str] = []
    seen: set[int] = set()
    at: int | None = number
    while at is not None and at not in seen:
        seen.add(at)
        name, at = tree[at]
        names.insert(0, name)
    return names


def _take_prefix(name: str) -> tuple[str | None, str]:
    head, colon, rest = unicodedata.normalize("NFKC", name).partition(":")
    kind = _PREFIXES.get(head.casefold())
    return (kind, rest.strip()) if colon and kind and rest.strip() else (None, name)


def _fold(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().strip()


def _union(parts: Sequence[Audience]) -> Audience:
    """The parts together; departments become one set and people one set, so that the SQL stays short."""
    departments_found = [number for part in parts if isinstance(part, Departments) for number in part.ids]
    people = [number for part in parts if isinstance(part, Members) for number in part.ids]
    together: list[Audience] = []
    if departments_found:
        together.append(Departments(ids=tuple(dict.fromkeys(departments_found))))
    if people:
        together.append(Members(ids=tuple(dict.fromkeys(people))))
    together += [part for part in dict.fromkeys(parts) if not isinstance(part, Departments | Members)]
    return together[0] if len(together) == 1 else Either(parts=tuple(together))
