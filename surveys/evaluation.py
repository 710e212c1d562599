"""What an evaluation of the trial asks of surveys: who took part, group by group, and what came of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.usage import labels
from surveys.definition import Definition
from surveys.results import tables_shown
from surveys.sheets import finished
from surveys.tables import survey_participants, surveys
from surveys.tabulation import SimpleTable, Tally
from surveys.vault import Vault


@dataclass(frozen=True, slots=True)
class Held:
    """A survey; `tables` is empty while one that is not named is open, as two looks at it would tell on people."""

    id: int
    key: str
    title: str
    state: str
    opened_at: datetime
    respondents: int
    tables: tuple[SimpleTable, ...]


async def held(db: AsyncConnection, vault: Vault) -> list[Held]:
    """Every survey in the order of opening; small counts are hidden as its definition says."""
    found = []
    for row in (await db.execute(select(surveys).order_by(surveys.c.opened_at, surveys.c.id))).all():
        definition = Definition.model_validate_json(row.definition)
        tally = Tally(definition)
        shown = row.state == "closed" or definition.results_while_open
        if shown:
            async for sheets in finished(db, vault, row, definition):
                tally.add(sheets)
        found.append(
            Held(
                id=row.id,
                key=row.key,
                title=row.title,
                state=row.state,
                opened_at=row.opened_at,
                respondents=tally.sheets if shown else await _finished(db, row.id),
                tables=tables_shown(tally, definition) if shown else (),
            )
        )
    return found


async def participation(db: AsyncConnection, trait: str) -> list[tuple[int, str, int, int]]:
    """How many were asked and how many finished, by survey and group: (survey_id, label, asked, finished).

    Participation is known of anonymous surveys, too; what somebody said is not.
    """
    group = labels(trait).subquery("groups")
    done = case((survey_participants.c.state == "finished", 1), else_=null())
    rows = await db.execute(
        select(survey_participants.c.survey_id, group.c.label, func.count(), func.count(done))
        .join(group, group.c.member_id == survey_participants.c.member_id)
        .group_by(survey_participants.c.survey_id, group.c.label, group.c.position)
        .order_by(survey_participants.c.survey_id, group.c.position, group.c.label)
    )
    return [(survey_id, label, asked, answered) for survey_id, label, asked, answered in rows]


async def _finished(db: AsyncConnection, survey_id: int) -> int:
    mine = (survey_participants.c.survey_id == survey_id, survey_participants.c.state == "finished")
    return await db.scalar(select(func.count()).select_from(survey_participants).where(*mine)) or 0
