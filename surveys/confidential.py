"""Answers that are tied to a person for the eyes of the survey's owner alone; everybody else sees tables.

The database holds the tie as it does for a named survey: confidential is a promise that the program keeps, not one that
the database cannot break. Each look is noted in the audit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import Clock
from bot.directory import Member
from bot.errors import Refused
from bot.tables import members
from surveys.definition import Answer, Definition
from surveys.sheets import finished_by_member
from surveys.tables import surveys
from surveys.vault import Vault


@dataclass(frozen=True, slots=True)
class Told:
    """What one member answered."""

    name: str
    sheet: dict[str, Answer]


async def told(
    db: AsyncConnection,
    clock: Clock,
    vault: Vault,
    survey_id: int,
    *,
    reader: Member,
    of: Collection[int] | None = None,
) -> tuple[Definition, list[Told]]:
    """The finished sheets with their members, those in `of` or all, by name.

    Raises `Refused` unless the survey is confidential and `reader` is its owner; the refusal is the same for every
    survey that is not theirs, so that it tells nothing of it.
    """
    row = (await db.execute(select(surveys).where(surveys.c.id == survey_id))).first()
    if row is None or row.anonymity != "confidential" or row.owner != reader.id:
        raise Refused("survey.manage.owner_only", id=survey_id)
    definition = Definition.model_validate_json(row.definition)
    found: dict[int, dict[str, Answer]] = {}
    async for batch in finished_by_member(db, vault, row, definition):
        found |= {key: sheet for key, sheet in batch if key is not None and (of is None or key in of)}
    names = {person.id: person.name for person in await db.execute(select(members.c.id, members.c.name))}
    subject = f"survey:{survey_id}"
    details = {"people": sorted(found)}
    await audit.append(db, clock, actor=reader.code, action="survey.read", subject=subject, details=details)
    return definition, sorted((Told(names[key], sheet) for key, sheet in found.items()), key=lambda each: each.name)
