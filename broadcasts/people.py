"""Exactly who would get a draft, by name: where each is reached, who is not, and what each platform shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.tables import departments, groups, members
from bot.texts import Texts
from broadcasts.audience import AUDIENCE, Audience, Groups
from broadcasts.fanout import routes
from broadcasts.files import files_of
from broadcasts.questions import question_of
from broadcasts.show import pages, platform_name
from broadcasts.wording import Wording


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person of an audience; `adapter` is None where they cannot be reached."""

    department: str
    name: str
    adapter: str | None


async def recipients(db: AsyncConnection, draft: Row[Any], adapters: Sequence[str]) -> list[Recipient]:
    """Everybody, through the very statement that would send it, in the city's order."""
    return await _reached(db, AUDIENCE.validate_json(draft.audience), draft.audience_key, adapters)


async def in_group(db: AsyncConnection, name: str, adapters: Sequence[str]) -> list[Recipient]:
    """Everybody in the group of this name, in the city's order; nobody if there is none."""
    ids = tuple(await db.scalars(select(groups.c.id).where(groups.c.name == name)))
    return await _reached(db, Groups(ids=ids), None, adapters)


async def _reached(
    db: AsyncConnection, audience: Audience, audience_key: str | None, adapters: Sequence[str]
) -> list[Recipient]:
    route = routes(audience, audience_key, adapters).subquery("route")
    rows = await db.execute(
        select(departments.c.name.label("department"), members.c.name, route.c.adapter)
        .select_from(route)
        .join(members, members.c.id == route.c.member_id)
        .join(departments, departments.c.id == route.c.department_id)
        .order_by(departments.c.position, departments.c.id, members.c.rank.desc(), members.c.kana, members.c.code)
    )
    return [Recipient(*row) for row in rows]


def show_people(
    texts: Texts, number: int, people: Sequence[Recipient], limit: int, *, without_files: Collection[str] = ()
) -> list[str]:
    """The names, department by department, and apart from them those who get nothing, or are on `without_files`."""
    separator = texts("read.name_separator")
    lost = [f"{person.name}（{person.department}）" for person in people if person.adapter is None]
    lines = [texts("audience.title", id=number, recipients=len(people))]
    lines += [
        texts("audience.platform", platform=platform_name(texts, name), members=count)
        for name, count in sorted(Counter(person.adapter for person in people if person.adapter).items())
    ]
    if lost:
        lines.append(texts("audience.unreachable", members=len(lost), names=separator.join(lost)))
    if blind := [f"{person.name}（{person.department}）" for person in people if person.adapter in without_files]:
        lines.append(texts("attachment.not_for", members=len(blind), names=separator.join(blind)))
    return pages([*lines, "", *_by_department(texts, people)], limit)


def show_group(texts: Texts, name: str, people: Sequence[Recipient], limit: int) -> list[str]:
    """Who is in a group, department by department."""
    return pages([texts("group.of", name=name, members=len(people)), *_by_department(texts, people)], limit)


def _by_department(texts: Texts, people: Sequence[Recipient]) -> Iterator[str]:
    for department, group in groupby(people, key=lambda person: person.department):
        names = [person.name for person in group]
        together = texts("read.name_separator").join(names)
        yield texts("read.unread_department", department=department, members=len(names), names=together)


def show_platforms(
    texts: Texts,
    wording: Wording,
    draft: Row[Any],
    people: Sequence[Recipient],
    adapters: Mapping[str, Adapter],
    limit: int,
) -> list[str]:
    """The notice as each platform that is used will show it; buttons stand under it in brackets."""
    message = wording.notice(draft.id, draft.kind, draft.text, question_of(draft), files_of(draft))
    lines: list[str] = []
    for name in sorted({person.adapter for person in people if person.adapter}):
        shaped = wording.for_platform(message, draft.id, adapters[name])
        if adapters[name].capabilities.buttons:
            text = "\n".join([shaped.text, *(f"[{button.label}]" for button in shaped.buttons)])
        else:
            text = shaped.as_plain_text()
        lines += [texts("audience.shown_on", platform=platform_name(texts, name)), *text.split("\n"), ""]
    return pages(lines, limit)
