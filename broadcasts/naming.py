"""Audiences as people say them: `総務部`, `課長以上`, `消防団`, `総務部&課長以上`, a staff number, a name.

One word may be a department (by name, code or path `総務部/総務課`), a group, a post, a role or a person. Where it is
two of them, or two departments share it, nobody guesses: the error lists what it may mean, in words that name just one.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.directory import ROLE_NAMES
from bot.errors import Refused
from bot.folding import fold, named_at_start, spelled
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

ALL = frozenset(map(fold, ("全職員", "全員", "everyone", "all")))
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
_FOLDED = {fold(word): kind for word, kind in _PREFIXES.items()}
_SHOWN = {"department": "所属", "group": "グループ", "post": "役職", "role": "役割", "member": "職員"}

# A word ends at a space, so the name of a person is written without the one that rosters have in it.
_WHOLE_NAME = func.replace(func.replace(members.c.name, " ", ""), "\u3000", "")
_PEOPLE = (
    select(members.c.id, members.c.code, members.c.name)
    .where(members.c.active, or_(members.c.code == bindparam("name"), bindparam("whole") == _WHOLE_NAME))
    .order_by(members.c.id)
    .limit(5)
)

_EVERYBODY = select(members.c.id, members.c.code, members.c.name).where(members.c.active).order_by(members.c.id)

_MARK = re.compile(r"[-−－ー‐–]?[@＠]")
_MARKED = re.compile(r"[@＠]\S+\s+\S")


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


async def words_in(db: AsyncConnection, text: str) -> list[str]:
    """The words of a text as they were typed, parted at blanks; a name with blanks in it is one, with its @ or -@."""
    if len(text.split()) < 2:
        return text.split()
    length = await name_lengths(db)
    words: list[str] = []
    rest = text.strip()
    while rest:
        mark = len(at[0]) if (at := _MARK.match(rest)) is not None else 0
        end = mark + length(rest[mark:])
        word = rest[:end] if end > mark else rest.split(maxsplit=1)[0]
        words.append(word)
        rest = rest[len(word) :].lstrip()
    return words


async def name_lengths(db: AsyncConnection, text: str | None = None) -> Callable[[str], int]:
    """A function that tells how many characters at a text's start are a name with blanks in it; 0 if none are.

    With `text`, only what stands after an @ in it is of interest: nothing is loaded if there is none.
    """
    if text is not None and not _MARKED.search(text):
        return lambda rest: 0
    names: set[str] = set()
    for column in (departments.c.name, groups.c.name):
        names.update(await db.scalars(select(column)))
    for column in (members.c.name, members.c.post):
        names.update(await db.scalars(select(column).where(members.c.active).distinct()))
    tree = department_paths(
        (await db.execute(select(departments.c.id, departments.c.name, departments.c.parent_id))).all()
    )
    names.update("/".join(path[start:]) for path in tree.values() for start in range(len(path)))
    with_blanks = [name for name in names if len(name.split()) > 1]
    keys = {fold(f"{before}{name}") for name in with_blanks for before in ("", *(f"{kind}:" for kind in _PREFIXES))}
    return lambda rest: named_at_start(rest, keys)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One thing that a word may stand for; `exact` names just this one, `weak` is a code and gives way to names."""

    kind: str
    exact: str
    audience: Audience
    word: str
    weak: bool = False


@dataclass(slots=True)
class _Book:
    """Every name but those of people, folded, with what it stands for."""

    entries: dict[str, list[_Entry]] = field(default_factory=lambda: defaultdict(list))
    posts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def find_all(self, db: AsyncConnection, name: str) -> Audience:
        whole = fold(name)
        # A name may have the sign in it: R&D室.
        if "&" in whole and (whole in self.entries or await _people(db, name)):
            return await self.find(db, name)
        parts = [await self.find(db, part) for part in name.replace("＆", "&").split("&") if part.strip()]
        if not parts:
            raise UnknownName(name, ())
        return parts[0] if len(parts) == 1 else Both(parts=tuple(parts))

    async def find(self, db: AsyncConnection, name: str) -> Audience:
        kind, word = (None, name.strip()) if fold(name) in self.entries else _take_prefix(name.strip())
        folded = fold(word)
        if folded in ALL and kind is None:
            return EVERYONE
        found = _meant([entry for entry in self.entries.get(folded, ()) if kind in {None, entry.kind}], word)
        if not found and kind in {None, "post"}:
            found = _meant(self._above(folded), word)
        if kind in {None, "member"}:
            found += [_Entry("member", code, Members(ids=(number,)), word) for number, code in await _people(db, word)]
        if not found:
            raise UnknownName(word, self._known())
        if len(found) > 1:
            raise AmbiguousName(word, [f"{_SHOWN[entry.kind]}:{entry.exact}" for entry in found])
        return found[0].audience

    def add(self, word: str, kind: str, exact: str, audience: Audience, *, weak: bool = False) -> None:
        entries = self.entries[fold(word)]
        # A department whose code is its name, or two words of one role, is still one thing.
        if all(known.kind != kind or known.audience != audience for known in entries):
            entries.append(_Entry(kind, exact, audience, word, weak))

    def _above(self, folded: str) -> list[_Entry]:
        for ending in ABOVE:
            if folded.endswith(ending) and (posts := self.posts.get(folded.removesuffix(ending))):
                return [_Entry("post", f"{post}以上", PostAndAbove(post=post), f"{post}以上") for post in posts]
        return []

    def _known(self) -> set[str]:
        names = {entry.exact for entries in self.entries.values() for entry in entries}
        posts = {f"{post}以上" for same in self.posts.values() for post in same}
        return names | {name.split("/")[-1] for name in names} | posts


async def _open(db: AsyncConnection) -> _Book:
    book = _Book()
    columns = (departments.c.id, departments.c.code, departments.c.name, departments.c.parent_id)
    rows = (await db.execute(select(*columns))).all()
    paths = department_paths(rows)
    for row in rows:
        path, audience = paths[row.id], Departments(ids=(row.id,))
        # Without the strokes, as one cell of a roster has it: 土木部土木課.
        for word in (row.name, *("/".join(path[start:]) for start in range(len(path))), "".join(path)):
            book.add(word, "department", "/".join(path), audience)
        book.add(row.code, "department", "/".join(path), audience, weak=True)
    for group in await db.execute(select(groups.c.id, groups.c.name)):
        book.add(group.name, "group", group.name, Groups(ids=(group.id,)))
    for post in await db.scalars(select(members.c.post).where(members.c.active, members.c.post != "").distinct()):
        book.add(post, "post", post, Posts(names=(post,)))
        book.posts[fold(post)].append(post)
    for shown, role in ROLE_NAMES.items():
        for word in (shown, role):
            book.add(word, "role", role, Roles(names=(role,)))
    return book


def department_paths(rows: Iterable[Any]) -> dict[int, list[str]]:
    """The names from the top down to each department, by its id; rows have id, name and parent_id."""
    tree = {row.id: (row.name, row.parent_id) for row in rows}
    return {number: _path(number, tree) for number in tree}


def _path(number: int, tree: Mapping[int, tuple[str, int | None]]) -> list[str]:
    names: list[str] = []
    seen: set[int] = set()
    at: int | None = number
    while at is not None and at not in seen:
        seen.add(at)
        name, at = tree[at]
        names.insert(0, name)
    return names


def _meant(found: list[_Entry], word: str) -> list[_Entry]:
    """Of entries that look the same, the one spelt just so; names before codes; a post in two spellings is one."""
    found = [entry for entry in found if not entry.weak] or found
    if len({entry.kind for entry in found}) == 1 and len(found) > 1:
        exact = [entry for entry in found if spelled(entry.word) == spelled(word)]
        if found[0].kind == "post":
            union = Either(parts=tuple(entry.audience for entry in found))
            return [_Entry("post", found[0].exact, union, found[0].word)]
        if len(exact) == 1:
            return exact
    return found


async def _people(db: AsyncConnection, word: str) -> list[tuple[int, str]]:
    """Those whose staff number or name a word is: in this very spelling, or else in one that looks the same."""
    found = (await db.execute(_PEOPLE, {"name": word, "whole": "".join(word.split())})).all()
    rows = [(row.id, row.code) for row in found]
    if not rows and (key := fold(word)):
        everybody = await db.execute(_EVERYBODY)
        rows = [(row.id, row.code) for row in everybody if key in {fold(row.name), fold(row.code)}][:5]
    return rows


def _take_prefix(name: str) -> tuple[str | None, str]:
    for colon in ":：":
        head, found, rest = name.partition(colon)
        if found and (kind := _FOLDED.get(fold(head))) and rest.strip():
            return kind, rest.strip()
    return None, name


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
