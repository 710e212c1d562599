"""A notice by department tree: each department with everybody below it, so that every level has its denominator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.folding import fold
from bot.tables import departments
from broadcasts.tables import broadcast_recipients

recipient = broadcast_recipients.c


@dataclass(frozen=True, slots=True)
class Branch:
    """A department and everything below it; `depth` is 0 at the top, `own` are the department's own recipients."""

    id: int
    name: str
    path: tuple[str, ...]
    depth: int
    recipients: int
    read: int
    own: int

    @property
    def unread(self) -> int:
        return self.recipients - self.read


@dataclass(frozen=True, slots=True)
class Counts:
    """A department's own recipients; `reachable` have an address, `moved` got it at another than the first."""

    recipients: int
    read: int
    reachable: int
    moved: int = 0


_COUNTS = (
    select(
        recipient.department_id,
        func.count(),
        func.count(recipient.read_at),
        func.count(recipient.adapter),
        func.count(recipient.instead_of),
    )
    .where(recipient.broadcast_id == bindparam("broadcast_id"))
    .group_by(recipient.department_id)
)
_NOBODY = Counts(0, 0, 0)
_DEPARTMENTS = select(departments.c.id, departments.c.parent_id, departments.c.name).order_by(
    departments.c.position, departments.c.id
)


async def counts(db: AsyncConnection, broadcast_id: int) -> dict[int, Counts]:
    """A notice's recipients by department (id): one walk over them, from which every other figure is summed."""
    return {row[0]: Counts(*row[1:]) for row in await db.execute(_COUNTS, {"broadcast_id": broadcast_id})}


async def branches(db: AsyncConnection, counts: Mapping[int, Counts]) -> list[Branch]:
    """Every department with recipients in or below it, from the top, in the order in which the city prints them."""
    names: dict[int, str] = {}
    children: dict[int | None, list[int]] = defaultdict(list)
    for number, parent, name in await db.execute(_DEPARTMENTS):
        names[number] = name
        children[parent].append(number)
    return list(_grow(children[None], (), names, children, counts))


def _grow(
    level: Sequence[int],
    above: tuple[str, ...],
    names: Mapping[int, str],
    children: Mapping[int | None, Sequence[int]],
    counts: Mapping[int, Counts],
) -> Iterator[Branch]:
    for number in level:
        path = (*above, names[number])
        below = list(_grow(children.get(number, ()), path, names, children, counts))
        own = counts.get(number, _NOBODY)
        direct = [branch for branch in below if branch.depth == len(path)]
        recipients = own.recipients + sum(branch.recipients for branch in direct)
        if recipients:
            read = own.read + sum(branch.read for branch in direct)
            yield Branch(number, names[number], path, len(above), recipients, read, own.recipients)
            yield from below


def found(tree: Sequence[Branch], wanted: str) -> list[Branch]:
    """The departments that somebody may mean by a name or a path such as `総務部/総務課`."""
    parts = [part for part in wanted.replace("／", "/").split("/") if part.strip()]
    keys = list(map(fold, parts))
    alike = [branch for branch in tree if parts and list(map(fold, branch.path[-len(parts) :])) == keys]
    exact = [branch for branch in alike if branch.path[-len(parts) :] == tuple(parts)]
    return exact or alike


def subtree(tree: Sequence[Branch], top: Branch) -> list[Branch]:
    """A department and what lies below it."""
    return [branch for branch in tree if branch.path[: len(top.path)] == top.path]
