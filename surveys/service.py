"""The surveys of the house: opened, announced, reminded of, closed at their time, and counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.activity import Activity
from bot.clock import Clock, to_tokyo
from bot.errors import KairanbanError, Refused
from bot.loop import Loop
from bot.messages import Button, Message, Priority
from bot.outbox import Outbox
from bot.storage import Database
from bot.texts import Texts
from surveys.announcing import Audience, announce, find, invite
from surveys.conversation import Conversation
from surveys.definition import Definition
from surveys.opening import last_minute
from surveys.results import Expected, Opened, Results, closing_time, summary, tables_shown
from surveys.schedules import Resolve, Schedules
from surveys.sheets import finished, put_away
from surveys.tables import survey_participants, surveys
from surveys.tabulation import SimpleTable, Tally
from surveys.vault import Vault

log = structlog.get_logger(__name__)

RETRY_AFTER = timedelta(minutes=10)
"""How long the loop waits after something went wrong, such as a missing key or a database that is down."""

SYSTEM = "system"
"""The actor in the audit where no person acted: a closing time that came."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How surveys behave.

    `reminders` go out `remind_every` apart to those who have not finished; plain text counts as an answer for
    `patience` after the question was asked, as later it is probably meant for something else. With `look_every`, the
    loop looks for what other processes have written: a reservation from the command line, a survey of a second bot.
    """

    reminders: int = 1
    remind_every: timedelta = timedelta(days=3)
    patience: timedelta = timedelta(days=1)
    look_every: timedelta | None = None


class Surveys:
    """Everything that can be done with surveys; commands, screens and the command line call the same functions.

    Methods that take `db` work inside the caller's transaction. `start` runs the loop that opens, reminds and closes;
    `conversation` talks with one person; `schedules` keeps what opens later, to people whom `resolve` finds.
    `on_closed` is awaited with the id of each anonymous survey that closed, until it once returns: whatever else holds
    answers beside their people is to forget them.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        activity: Activity,
        texts: Texts,
        *,
        vault: Vault,
        resolve: Resolve,
        settings: Settings | None = None,
        on_closed: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._database = database
        self._on_closed = on_closed
        self._outbox = outbox
        self._clock = clock
        self.vault = vault
        self._settings = settings or Settings()
        self._loop = Loop("surveys", self._do_what_is_due, clock, activity, after_failure=RETRY_AFTER)
        self.texts = texts
        self.conversation = Conversation(clock, texts, vault, self._settings.patience)
        self.schedules = Schedules(database, outbox, clock, texts, open=self.open, resolve=resolve)

    async def open(
        self,
        db: AsyncConnection,
        definition: Definition,
        *,
        audience: Audience = None,
        closes_at: datetime | None = None,
        actor: str = SYSTEM,
        owner: int | None = None,
    ) -> Opened:
        """Open a survey and announce it to everyone in `audience` (None: all active members).

        `closes_at` is the end of the day that is `definition.days` from now, unless given. Raises `Refused` if that has
        passed already or nobody is there to ask. `actor` is who does it, for the audit; `owner` the member who alone
        may read whose answer is whose if the survey is confidential, which must have one.
        """
        now = self._clock.now()
        closes_at = self._checked(definition, closes_at, owner)
        reminder = now + self._settings.remind_every
        inserted = await db.execute(
            insert(surveys).values(
                key=definition.key,
                title=definition.title,
                definition=definition.model_dump_json(),
                anonymity=definition.anonymity,
                owner=owner if definition.anonymity == "confidential" else None,
                state="open",
                opened_at=now,
                closes_at=closes_at,
                next_reminder_at=reminder if self._settings.reminders and reminder < closes_at else None,
            )
        )
        assert inserted.inserted_primary_key is not None
        survey_id = int(inserted.inserted_primary_key[0])
        asked = await invite(db, survey_id, audience)
        if not asked:
            raise Refused("survey.manage.no_audience")
        if definition.anonymous:
            await db.execute(update(surveys).where(surveys.c.id == survey_id).values(vault_key=self.vault.create()))
        text = self.texts(
            "survey.announcement",
            title=definition.title,
            intro=definition.opening_line,
            count=len(definition.steps),
            promise=self.texts(f"survey.promise_{definition.anonymity}"),
            closes=closing_time(closes_at),
        )
        reached = await self._tell(db, survey_id, f"survey:{survey_id}", text, Priority.NOTICE)
        self._database.after_commit(db, self._loop.ring)
        await self._note(db, actor, "opened", survey_id, key=definition.key, asked=asked)
        return Opened(survey_id, definition.title, asked, asked - reached, closes_at)

    async def expect(
        self,
        db: AsyncConnection,
        definition: Definition,
        *,
        audience: Select[tuple[int]] | None = None,
        closes_at: datetime | None = None,
        owner: int | None = None,
    ) -> Expected:
        """What `open` would do with the same arguments, without doing it; raises `Refused` as it would."""
        closes_at = self._checked(definition, closes_at, owner)
        found, reached = await find(db, self._outbox, audience)
        if not found:
            raise Refused("survey.manage.no_audience")
        return Expected(found, len(found) - reached, closes_at)

    def _checked(self, definition: Definition, closes_at: datetime | None, owner: int | None) -> datetime:
        """When it closes, if it may open."""
        now = self._clock.now()
        closes_at = closes_at or last_minute(to_tokyo(now).date(), definition.days)
        if closes_at <= now:
            raise Refused("survey.manage.closing_past")
        if definition.anonymity == "confidential" and owner is None:
            raise Refused("survey.manage.no_owner")
        return closes_at

    async def close(self, db: AsyncConnection, survey_id: int, *, actor: str = SYSTEM) -> Results:
        """Close a survey for good, and count it. Raises `Refused` if there is none or it is closed already.

        The sheets of an anonymous one are drawn by lot (`surveys.sheets.put_away`); after the commit its key is
        destroyed.
        """
        row = await self._survey(db, survey_id)
        won = await db.execute(
            update(surveys)
            .where(surveys.c.id == survey_id, surveys.c.state == "open")
            .values(state="closed", closed_at=self._clock.now(), next_reminder_at=None)
        )
        if won.rowcount != 1:
            raise Refused("survey.manage.closed_already", id=survey_id, title=row.title)
        respondents = await put_away(db, self.vault, row, self.conversation.definition(survey_id, row.definition))
        if row.vault_key is not None:
            self._database.after_commit(db, partial(self.vault.destroy, row.vault_key))
        self._database.after_commit(db, self._loop.ring)
        await self._note(db, actor, "closed", survey_id, respondents=respondents)
        return await self._results(db, survey_id)

    async def results(self, survey_id: int) -> Results:
        """Participation, and the tables as far as they may be seen. Raises `Refused` if there is no such survey.

        A survey that is not named shows no table while it is open: who finished when is known, so two looks at the
        figures, before and after one person, would tell what that person said.
        """
        async with self._database.snapshot() as db:
            return await self._results(db, survey_id)

    async def summaries(self) -> list[dict[str, Any]]:
        """Every survey for a report: plain values, moments as ISO text in Tokyo's time, in the order of opening."""
        async with self._database.snapshot() as db:
            ids = list(await db.scalars(select(surveys.c.id).order_by(surveys.c.id)))
        return [summary(await self.results(survey_id)) for survey_id in ids]

    # ------------------------------------------------------------------- loop

    async def start(self) -> None:
        """Begin to remind and to close; rows say what is due, also what became due while nobody was there."""
        await self._loop.start()

    def ring(self) -> None:
        """Call when a new moment has been committed."""
        self._loop.ring()

    async def stop(self) -> None:
        """End the loop; the next start goes on."""
        await self._loop.stop()

    async def _do_what_is_due(self) -> datetime | None:
        """Open, close, remind, and destroy keys that outlived their survey; when something is due next."""
        await self._sweep()
        await self.schedules.do_due()
        now = self._clock.now()
        async with self._database.snapshot() as db:
            opening = await self.schedules.next_due(db)
            rows = (await db.execute(select(surveys).where(surveys.c.state == "open").order_by(surveys.c.id))).all()
        moments: list[datetime] = [] if opening is None else [opening]
        if self._settings.look_every is not None:
            moments.append(now + self._settings.look_every)
        for row in rows:
            try:
                if row.closes_at <= now:
                    async with self._database.transaction() as db:
                        await self.close(db, row.id)
                    await self._sweep()
                    continue
                if row.next_reminder_at is not None and row.next_reminder_at <= now:
                    moments += filter(None, [await self._remind(row)])
                elif row.next_reminder_at is not None:
                    moments.append(row.next_reminder_at)
                moments.append(row.closes_at)
            except Refused:
                continue  # another process was quicker
            except KairanbanError:
                # One survey whose key is missing must not keep the others open.
                log.exception("survey_not_closed", survey=row.id)
                moments.append(now + RETRY_AFTER)
        return min(moments, default=None)

    async def _remind(self, row: Row[Any]) -> datetime | None:
        number = row.reminders + 1
        following: datetime | None = row.next_reminder_at + self._settings.remind_every
        if number >= self._settings.reminders or row.next_reminder_at + self._settings.remind_every >= row.closes_at:
            following = None
        async with self._database.transaction() as db:
            won = await db.execute(
                update(surveys)
                .where(surveys.c.id == row.id, surveys.c.state == "open", surveys.c.reminders == row.reminders)
                .values(reminders=number, next_reminder_at=following)
            )
            if won.rowcount == 1:
                text = self.texts("survey.reminder", title=row.title, closes=closing_time(row.closes_at))
                await self._tell(db, row.id, f"survey:{row.id}:reminder:{number}", text, Priority.REMINDER)
        return following

    # ------------------------------------------------------------------- rows

    async def _tell(self, db: AsyncConnection, survey_id: int, topic: str, text: str, priority: Priority) -> int:
        button = Button(label=self.texts("survey.button.start"), data=f"survey:start:{survey_id}")
        message = Message(text=text, buttons=(button,), reference=topic)
        now = self._clock.now()
        return await announce(db, self._outbox, survey_id, message, topic=topic, priority=priority, now=now)

    async def _survey(self, db: AsyncConnection, survey_id: int) -> Row[Any]:
        row = (await db.execute(select(surveys).where(surveys.c.id == survey_id))).first()
        if row is None:
            raise Refused("survey.manage.unknown", id=survey_id)
        return row

    async def _note(self, db: AsyncConnection, actor: str, action: str, survey_id: int, **details: object) -> None:
        subject = f"survey:{survey_id}"
        await audit.append(db, self._clock, actor=actor, action=f"survey.{action}", subject=subject, details=details)

    async def _sweep(self) -> None:
        """Forget the keys of closed surveys; destroying one again is for the process that died before it could."""
        closed = (surveys.c.state == "closed", surveys.c.vault_key.is_not(None))
        async with self._database.snapshot() as db:
            rows = (await db.execute(select(surveys.c.id, surveys.c.vault_key).where(*closed))).all()
        for row in rows:
            self.vault.destroy(row.vault_key)
            try:
                if self._on_closed is not None:
                    await self._on_closed(row.id)
            except KairanbanError:
                log.exception("survey_not_forgotten", survey=row.id)  # the next turn tries again
                continue
            async with self._database.transaction() as db:
                await db.execute(
                    update(surveys).where(*closed, surveys.c.vault_key == row.vault_key).values(vault_key=None)
                )

    async def _results(self, db: AsyncConnection, survey_id: int) -> Results:
        row = await self._survey(db, survey_id)
        definition = self.conversation.definition(survey_id, row.definition)
        counted = await db.execute(
            select(survey_participants.c.state, func.count())
            .where(survey_participants.c.survey_id == survey_id)
            .group_by(survey_participants.c.state)
        )
        states: dict[str, int] = {state: count for state, count in counted}  # noqa: C416 - rows are no pairs to mypy
        tables: tuple[SimpleTable, ...] = ()
        respondents = states.get("finished", 0)
        if row.state == "closed" or definition.results_while_open:
            tally = Tally(definition)
            async for sheets in finished(db, self.vault, row, definition):
                tally.add(sheets)
            tables = tables_shown(tally, definition)
            respondents = tally.sheets
        return Results(
            id=row.id,
            key=row.key,
            title=row.title,
            state=row.state,
            anonymity=row.anonymity,
            opened_at=row.opened_at,
            closes_at=row.closes_at,
            asked=max(sum(states.values()), respondents),  # answers that were imported have no participants
            respondents=respondents,
            tables=tables,
        )
