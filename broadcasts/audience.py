"""To whom: a small algebra of sets of staff that becomes one SQL condition.

    (Departments(ids=(3,)) | Members(ids=(17,))) - Members(ids=(20,))

A set is a condition on a row of `members`, so union, intersection and difference are OR, AND and AND NOT, and the
database finds 100,000 people in one statement. Only active members are ever meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, false, func, not_, or_, select, true

from bot.tables import departments, group_members, member_roles, members


class _Set(BaseModel):
    model_config = ConfigDict(frozen=True)

    def __or__(self, other: Audience) -> Either:
        return Either(parts=(self._as_audience(), other))

    def __and__(self, other: Audience) -> Both:
        return Both(parts=(self._as_audience(), other))

    def __sub__(self, other: Audience) -> Without:
        return Without(base=self._as_audience(), excluded=other)

    def _as_audience(self) -> Audience:
        assert isinstance(self, _KINDS)
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


class Posts(_Set):
    """Everybody who holds one of these posts: 部長, 課長 …"""

    type: Literal["posts"] = "posts"
    names: tuple[str, ...] = Field(min_length=1, max_length=100)


class PostAndAbove(_Set):
    """Everybody who holds this post or stands at least as high as the lowest of those who do (課長以上).

    Whoever has no rank on the roster (0) is above nobody.
    """

    type: Literal["post_and_above"] = "post_and_above"
    post: str


class Groups(_Set):
    """Everybody in one of these named groups."""

    type: Literal["groups"] = "groups"
    ids: tuple[int, ...] = Field(min_length=1, max_length=1_000)


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
    Everyone | Departments | Members | Roles | Posts | PostAndAbove | Groups | Either | Both | Without,
    Field(discriminator="type"),
]

_KINDS = (Everyone, Departments, Members, Roles, Posts, PostAndAbove, Groups, Either, Both, Without)

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
        case Posts(names=names):
            return members.c.post.in_(names)
        case PostAndAbove(post=post):
            # Nobody holds the post: the comparison is NULL, and NOT NULL would leave out everybody.
            return or_(members.c.post == post, func.coalesce(members.c.rank >= _lowest_rank(post), false()))
        case Groups(ids=ids):
            return members.c.id.in_(select(group_members.c.member_id).where(group_members.c.group_id.in_(ids)))
        case Either(parts=parts):
            return or_(*map(condition, parts))
        case Both(parts=parts):
            return and_(*map(condition, parts))
        case Without(base=base, excluded=excluded):
            return and_(condition(base), not_(condition(excluded)))


def _lowest_rank(post: str) -> ScalarSelect[int]:
    holder = members.alias("holder")
    return (
        select(func.min(holder.c.rank))
        .where(holder.c.active, holder.c.post == post, holder.c.rank > 0)
        .scalar_subquery()
    )


def _subtrees(ids: Iterable[int]) -> Select[tuple[int]]:
    found = select(departments.c.id).where(departments.c.id.in_(tuple(ids))).cte(recursive=True)
    # UNION, not UNION ALL: a department that is its own ancestor by mistake ends the walk instead of turning for ever.
    found = found.union(select(departments.c.id).join(found, departments.c.parent_id == found.c.id))
    return select(found.c.id)


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
