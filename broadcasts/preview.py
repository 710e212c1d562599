"""What would happen if a draft were sent now: to whom exactly, how many, by which rooms, in what words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.messages import Attachment
from bot.tables import departments, members
from broadcasts import audience_words, notices
from broadcasts.audience import AUDIENCE, Audience
from broadcasts.fanout import fingerprint, routes
from broadcasts.files import files_of
from broadcasts.questions import question_of
from broadcasts.schedules import Planned
from broadcasts.tables import rooms
from broadcasts.wording import Kind, Wording


@dataclass(frozen=True, slots=True)
class Preview:
    """A draft before it is sent. `fingerprint` names exactly this text to these people: `confirm` asks for it."""

    id: int
    kind: Kind
    text: str
    """As people will see it."""
    recipients: int
    departments: Sequence[tuple[str, int]]
    """(name, members), in the city's order."""
    rooms: Sequence[tuple[str, int]]
    """(title, recipients in it): those that are ready now."""
    pair_talks: int
    unreachable: int
    fingerprint: str
    sounds_like: str = ""
    """緊急 or 訓練, as the author wrote it, where the text begins so and the kind does not say it."""
    buttons: Sequence[str] = ()
    """The labels under the text."""
    held_until: datetime | None = None
    """When quiet hours let it go, if they hold it at the moment at which it is ready."""
    planned: Planned | None = None
    """When it is ready, if that is not at once."""
    attachments: Sequence[Attachment] = ()
    without_files: Sequence[tuple[str, int]] = ()
    """(name, recipients) of the platforms that cannot carry these files: people there are told their names."""
    platforms: Sequence[tuple[str, int]] = ()
    """(name, recipients who are reached there first)."""
    unranked: Sequence[tuple[str, int]] = ()
    """(post, holders) whose place is not known, where the audience says 「以上」: they are not among those above."""
    down: Sequence[str] = ()
    """Those of the platforms that are down right now: whoever has another address gets it there."""
    included: Sequence[str] = ()
    """The names that are meant, as one types them; none: all staff."""
    excluded: Sequence[str] = ()
    """The names that are left out."""


@lru_cache(maxsize=64)  # most notices go to the same people
def _counts(audience: Audience, audience_key: str | None, adapters: tuple[str, ...]) -> Select[str, str, int, str, int]:
    """How many are reached by what: (department, adapter, room id, room's title, members)."""
    route = routes(audience, audience_key, adapters).subquery("route")
    return (
        select(departments.c.name, route.c.adapter, route.c.room_id, rooms.c.title, func.count().label("members"))
        .select_from(route)
        .join(departments, departments.c.id == route.c.department_id)
        .outerjoin(rooms, rooms.c.id == route.c.room_id)
        .group_by(
            departments.c.id,
            departments.c.name,
            departments.c.position,
            route.c.adapter,
            route.c.room_id,
            rooms.c.title,
        )
        .order_by(departments.c.position, departments.c.id, route.c.room_id)
    )


_SPOKEN = re.compile(r"[【《〔\[(（「『＜<\s]*(緊急|訓練)(?!\w)|[【\s]*(緊急|訓練)(?=連絡|緊急|訓練|安否|参集)")


def _sounds_like(text: str) -> str:
    found = _SPOKEN.match(text)
    return (found[1] or found[2]) if found is not None else ""


async def _unranked(db: AsyncConnection) -> list[tuple[str, int]]:
    query = (
        select(members.c.post, func.count())
        .where(members.c.active, members.c.post != "", members.c.rank == 0)
        .group_by(members.c.post)
        .order_by(members.c.post)
    )
    return [(post, count) for post, count in await db.execute(query)]


async def preview(
    db: AsyncConnection,
    draft: Row[Any],
    adapters: Mapping[str, Adapter],
    wording: Wording,
    held_until: datetime | None = None,
    planned: Planned | None = None,
    down: Collection[str] = (),
    at: datetime | None = None,
) -> Preview:
    """Look at a draft through the very statement that would send it; `down` are the platforms that do not work.

    `at` is when it would go out, for the line that signs it.
    """
    attachments = files_of(draft)
    message = wording.notice(draft.id, draft.kind, draft.text, question_of(draft), at=at)
    audience = AUDIENCE.validate_json(draft.audience)
    included, excluded = await audience_words.in_words(db, audience)
    rows = await db.execute(_counts(audience, draft.audience_key, tuple(adapters)))
    by_department: Counter[str] = Counter()
    by_room: Counter[tuple[int, str]] = Counter()
    by_platform: Counter[str] = Counter()
    pair_talks = unreachable = 0
    for row in rows:
        by_department[row.name] += row.members
        if row.adapter is not None:
            by_platform[row.adapter] += row.members
        if row.adapter is None:
            unreachable += row.members
        elif row.room_id is None:
            pair_talks += row.members
        else:
            by_room[row.room_id, row.title] += row.members
    return Preview(
        id=draft.id,
        kind=draft.kind,
        text=message.text,
        recipients=by_department.total(),
        departments=list(by_department.items()),
        rooms=[(title, count) for (_, title), count in sorted(by_room.items())],
        pair_talks=pair_talks,
        unreachable=unreachable,
        fingerprint=notices.fingerprint(
            await fingerprint(db, audience, draft.audience_key, tuple(adapters)), draft.text
        ),
        sounds_like=_sounds_like(draft.text) if draft.kind == "notice" else "",
        unranked=await _unranked(db) if '"post_and_above"' in draft.audience else (),
        buttons=[button.label for button in message.buttons],
        held_until=held_until,
        planned=planned,
        platforms=sorted(by_platform.items()),
        down=sorted(by_platform.keys() & set(down)),
        included=included,
        excluded=excluded,
        attachments=attachments,
        without_files=[
            (name, members)
            for name, members in sorted(by_platform.items())
            if not adapters[name].capabilities.carries(attachments)
        ],
    )
