"""What must go from the inbox when an anonymous survey has closed: answers that failed, and the keys of the rest."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from bot.events import ButtonPressed, Event, MessageReceived
from bot.inbox import Inbox
from bot.storage import Database
from bot.tables import addresses
from surveys.tables import survey_participants, surveys

log = structlog.get_logger(__name__)


async def forget_answers(inbox: Inbox, database: Database, survey_id: int) -> None:
    """Discard given-up events that may be answers to a survey, and make unreadable what is left of those handled.

    Whoever was asked may have answered with any text in pair talk that is no command, while it was open: each of these
    goes, since nobody can tell which was an answer, and it could not count any more.
    """
    asked = (
        select(addresses.c.adapter, addresses.c.address)
        .join(survey_participants, survey_participants.c.member_id == addresses.c.member_id)
        .where(survey_participants.c.survey_id == survey_id)
    )
    async with database.snapshot() as db:
        survey = (
            await db.execute(select(surveys.c.opened_at, surveys.c.closed_at).where(surveys.c.id == survey_id))
        ).one()
        people = {(row.adapter, row.address) for row in await db.execute(asked)}

    def may_be_an_answer(event: Event) -> bool:
        if isinstance(event, ButtonPressed):
            kind, _, rest = event.data.partition(":")
            return kind == "survey" and rest.split(":")[1:2] == [str(survey_id)]
        return (
            isinstance(event, MessageReceived)
            and event.direct
            and (event.adapter, event.sender) in people
            and not event.text.lstrip().startswith(("/", "／"))
            and survey.opened_at <= event.occurred_at
            and (survey.closed_at is None or event.occurred_at <= survey.closed_at)
        )

    if discarded := await inbox.discard_all(may_be_an_answer):
        log.warning("answers_given_up_were_discarded", survey=survey_id, events=discarded)
    await inbox.renew_keys()
