"""To whom: a small algebra of sets of staff that becomes one SQL condition.

    (Departments(ids=(3,)) | Members(ids=(17,))) - Members(ids=(20,))

A set is a condition on a row of `members`, so union, intersection and difference are OR, AND and AND NOT, and the
database finds 100,000 people in one statement. Only active members are ever meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import ColumnElement, Select, and_, not_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.tables import departments, member_roles, members


class _Set(BaseModel):
    model_config = ConfigDict(frozen=True)

    def __or__(self, other: Audience) -> Either:
        return Either(parts=(self._as_audience(), other))

    def __and__(self, other: Audience) -> Both:
        return Both(parts=(self._as_audience(), other))

    def __sub__(self, other: Audience) -> Without:
        return Without(base=self._as_audience(), excluded=other)

    def _as_audience(self) -> Audience:
        assert isinstance(self, Everyone | Departments | Members | Roles | Either | Both | Without)
        return self


class Everyone(_Set):
    """All staff."""

    type: Literal["everyone"] = "everyone"


class Departments(_Set):
    """All staff of these departments and of those below them."""

    type: Literal["departments"] = "departments"
    ids: tuple[int, ...] = Field(min_length=1, max_length=1_000)


class Members(_Set):
    """These people."""

    type: Literal["members"] = "members"
    ids: tuple[int, ...] = Field(min_length=1, max_length=1_000)


class Roles(_Set):
    """Everybody with one of these roles."""

    type: Literal["roles"] = "roles"
    names: tuple[str, ...] = Field(min_length=1)


class Either(_Set):
    """Who is in any of the parts."""

    type: Literal["either"] = "either"
    parts: tuple[Audience, ...] = Field(min_length=1)


class Both(_Set):
    """Who is in every part."""

    type: Literal["both"] = "both"
    parts: tuple[Audience, ...] = Field(min_length=1)


class Without(_Set):
    """Who is in `base` and not in `excluded`."""

    type: Literal["without"] = "without"
    base: Audience
    excluded: Audience


Audience = Annotated[
    Everyone | Departments | Members | Roles | Either | Both | Without,
    Field(discriminator="type"),
]

AUDIENCE: TypeAdapter[Audience] = TypeAdapter(Audience)
"""Reads an audience back from JSON: `AUDIENCE.validate_json(...)`."""

EVERYONE = Everyone()


def select_members(audience: Audience) -> Select[tuple[int]]:
    """The ids of everybody meant, as a statement."""
    return select(members.c.id).where(members.c.active, condition(audience))


def condition(audience: Audience) -> ColumnElement[bool]:
    """The audience as a condition on a row of `members`."""
    match audience:
        case Everyone():
            return true()
        case Departments(ids=ids):
            return members.c.department_id.in_(_subtrees(ids))
        case Members(ids=ids):
            return members.c.id.in_(ids)
        case Roles(names=names):
            return members.c.id.in_(select(member_roles.c.member_id).where(member_roles.c.role.in_(names)))
        case Either(parts=parts):
            return or_(*map(condition, parts))
        case Both(parts=parts):
            return and_(*map(condition, parts))
        case Without(base=base, excluded=excluded):
            return and_(condition(base), not_(condition(excluded)))


def _subtrees(ids: Iterable[int]) -> Select[tuple[int]]:
    found = select(departments.c.id).where(departments.c.id.in_(tuple(ids))).cte(recursive=True)
    # UNION, not UNION ALL: a department that is its own ancestor by mistake ends the walk instead of turning for ever.
    found = found.union(select(departments.c.id).join(found, departments.c.parent_id == found.c.id))
    return select(found.c.id)


async def fingerprint(db: AsyncConnection, audience: Audience) -> str:
    """A short name for exactly these people; another person more or less gives another."""
    digest = hashlib.sha256()
    for member_id in await db.scalars(select_members(audience).order_by(members.c.id)):
        digest.update(b"%d," % member_id)
    return digest.hexdigest()[:16]


# --------------------------------------------------------- standing audiences


def standing_key(audience: Audience) -> str | None:
    """The name under which a standing audience keeps its rooms: all staff or one department; None for any other."""
    match audience:
        case Everyone():
            return "everyone"
        case Departments(ids=(department_id,)):
            return f"department:{department_id}"
        case _:
            return None


def standing_audience(key: str) -> Audience:
    """The audience behind a `standing_key`."""
    if key == "everyone":
        return EVERYONE
    return Departments(ids=(int(key.removeprefix("department:")),))


# ------------------------------------------------------------------ by name


async def named(db: AsyncConnection, included: Sequence[str], excluded: Sequence[str] = ()) -> Audience:
    """The audience that people name: departments by name or code, members by staff number or full name.

    Nothing included means all staff. Raises `UnknownName` for the first name that stands for nobody or for several.
    """
    audience: Audience = EVERYONE
    if included:
        audience = await _union(db, included)
    if excluded:
        audience = Without(base=audience, excluded=await _union(db, excluded))
    return audience


class UnknownName(LookupError):
    """A name that stands for no department and no one person; `known` lists the departments there are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = known
        super().__init__(f"There is no department and no one member named {name!r}.")


async def _union(db: AsyncConnection, names: Sequence[str]) -> Audience:
    by_name = {row.name: row.id for row in await db.execute(select(departments.c.id, departments.c.name))}
    by_code = {row.code: row.id for row in await db.execute(select(departments.c.id, departments.c.code))}
    department_ids: list[int] = []
    member_ids: list[int] = []
    for name in names:
        department_id = by_name.get(name, by_code.get(name))
        if department_id is not None:
            department_ids.append(department_id)
            continue
        people = select(members.c.id).where(members.c.active, or_(members.c.code == name, members.c.name == name))
        found = (await db.scalars(people.limit(2))).all()
        if len(found) != 1:
            raise UnknownName(name, sorted(by_name))
        member_ids.append(found[0])
    parts: list[Audience] = []
    if department_ids:
        parts.append(Departments(ids=tuple(dict.fromkeys(department_ids))))
    if member_ids:
        parts.append(Members(ids=tuple(dict.fromkeys(member_ids))))
    return parts[0] if len(parts) == 1 else Either(parts=tuple(parts))
