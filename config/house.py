"""The house put together: which parts are plugged into which, from the settings, in one place.

`open_house` opens everything and starts it in the order in which the parts need each other; leaving the block stops
it in the opposite order. The rehearsal uses the same function with a clock that it moves itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import get_args

import structlog
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import Bot, Router, control
from bot.activity import Activity
from bot.adapter import Adapter, CarriesFiles, ListsPeople, ReportsTroubles
from bot.adapters.mail import Mail
from bot.alarms import Alarms
from bot.attachments import Shelf
from bot.audit import Anchor
from bot.clock import Clock, SystemClock, to_tokyo
from bot.directory import link_addresses
from bot.folders import held_alone, sync_folder
from bot.inbox import Record, SqliteInbox
from bot.log_shrinking import LogShrinking
from bot.outbox import CircuitPolicy, Outbox
from bot.ownership import keep_private, make_private
from bot.readiness import Watch
from bot.storage import Database
from bot.texts import Texts
from broadcasts.approval import ApprovalPolicy
from broadcasts.escalation import Escalation
from broadcasts.jma import FolderWatch, Jma
from broadcasts.problems import Problems
from broadcasts.quiet import QuietHours
from broadcasts.reminders import ReminderPolicy
from broadcasts.sending import ReleaseHook
from broadcasts.service import Broadcasts, BroadcastSettings
from broadcasts.signature import Signature
from broadcasts.sweeping import Sweeping
from broadcasts.templates import load_templates
from broadcasts.wording import Kind
from config import migrate
from config.forgetting import forget_answers
from config.neighbours import Neighbours
from config.settings import RemindersTable, Settings
from handlers import broadcasts as broadcast_handlers
from handlers import introductions, plainly
from handlers import jma as jma_handlers
from handlers import problems as problem_handlers
from handlers import surveys as survey_handlers
from handlers import templates as template_handlers
from handlers.survey_opening import asked_by_name
from surveys.loading import load_definitions
from surveys.service import Settings as SurveySettings
from surveys.service import Surveys
from surveys.vault import Vault

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(minutes=10)
"""How soon a running bot notices what a command or another process has reserved."""


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs."""

    database: Database
    adapters: Mapping[str, Adapter]
    bot: Bot
    broadcasts: Broadcasts
    surveys: Surveys
    alarms: Alarms
    activity: Activity
    clock: Clock

    async def link_people(self) -> int:
        """Learn from each platform that lists its users who is who, by staff number; how many addresses are new."""
        found = 0
        for name, adapter in self.adapters.items():
            if isinstance(adapter, ListsPeople):
                people = await adapter.people()
                async with self.database.transaction() as db:
                    found += await link_addresses(db, name, people)
        if found:
            self.broadcasts.roster_changed()
        return found


def adapters_from(settings: Settings, clock: Clock) -> list[Adapter]:
    """The platforms that the settings name. Raises ConfigurationError for a secret that cannot be read."""
    tables = (*settings.platforms(), settings.mail, *settings.others())
    return carrying([table.build(clock) for table in tables if table is not None], settings)


def carrying(adapters: Sequence[Adapter], settings: Settings) -> list[Adapter]:
    """The adapters, told where the files lie that notices carry."""
    shelf = Shelf(settings.storage.attachment_folder)
    for adapter in adapters:
        if isinstance(adapter, CarriesFiles):
            adapter.carry(shelf)
    return list(adapters)


@asynccontextmanager
async def open_house(
    settings: Settings,
    *,
    clock: Clock | None = None,
    activity: Activity | None = None,
    adapters: Sequence[Adapter] | None = None,
) -> AsyncIterator[House]:
    """The running house; `adapters` replaces those of the settings."""
    clock = clock or SystemClock()
    activity = activity or Activity()
    storage = settings.storage
    make_private()
    storage.folder.mkdir(parents=True, exist_ok=True)
    for path in keep_private(storage.folder):
        log.warning("readable_by_others", path=str(path))
    async with AsyncExitStack() as parts:
        # The inbox first: its lock tells a second process to go before anything else is touched.
        rehearsal = storage.durability == "process"
        inbox = SqliteInbox(storage.inbox_file, clock, durability=storage.durability, on_loop=rehearsal)
        await inbox.open()
        parts.push_async_callback(inbox.close)
        file = _sqlite_file(storage.database_url)
        if file is not None:
            parts.enter_context(held_alone(file))
        database = Database.open(storage.database_url, durability=storage.durability, on_loop=rehearsal)
        parts.push_async_callback(database.close)
        await migrate.upgrade(database)
        if file is not None and not rehearsal:
            sync_folder(file.parent)

        chosen = adapters_from(settings, clock) if adapters is None else carrying(adapters, settings)
        plugged = {adapter.name: adapter for adapter in chosen}
        texts = Texts("bot", "broadcasts", "surveys", language=settings.language)
        circuit = CircuitPolicy(after=settings.failover.after, probe=settings.failover.probe)
        outbox = Outbox(database, plugged, clock, activity, circuit=circuit)
        # E-mail is no chat: nobody is reached there first, and no room is made.
        chats = {name: adapter for name, adapter in plugged.items() if not isinstance(adapter, Mail)}
        mail = next((adapter for adapter in chosen if isinstance(adapter, Mail)), None)
        alarms = Alarms(database, outbox, chats, clock, activity, texts, mail=mail)
        for adapter in chosen:
            if isinstance(adapter, ReportsTroubles):
                adapter.report_to(partial(_pass_on, alarms, adapter.name))
        notices = broadcast_settings(settings)
        broadcasts = Broadcasts(database, outbox, chats, clock, activity, texts, notices, mail=mail)
        ladders = settings.escalation.ladders()
        escalation = Escalation(
            database, outbox, chats, clock, activity, texts, ladders, mail=mail, signature=notices.signature
        )
        broadcasts.on_release(escalation.plan)
        jma_texts = Texts("broadcasts.jma", language=settings.language)
        desk = jma_handlers.Desk(database, outbox, tuple(chats), clock, texts)
        jma = Jma(
            database,
            clock,
            activity,
            settings.jma.rules(),
            on_ready=desk.tell,
            on_stopped=partial(broadcasts.give_up, because="jma"),
            texts=jma_texts,
        )
        broadcasts.on_check(jma.check)
        broadcasts.on_release(jma.sent)
        surveys = Surveys(
            database,
            outbox,
            clock,
            activity,
            texts,
            vault=Vault(storage.key_folder),
            resolve=asked_by_name,
            on_closed=partial(forget_answers, inbox, database),
            settings=SurveySettings(
                reminders=settings.surveys.reminder_times,
                remind_every=settings.surveys.reminder_interval,
                look_every=None if rehearsal else LOOK_EVERY,
            ),
        )
        problems = Problems(outbox, tuple(chats), clock, texts)
        router = Router()
        router.include(problem_handlers.build_conversation(texts, problems, broadcasts, router))
        router.include(broadcast_handlers.build_router(broadcasts, router))
        router.include(template_handlers.build_router(broadcasts, load_templates(settings.broadcasts.templates)))
        router.include(jma_handlers.build_router(broadcasts, jma))
        router.include(
            problem_handlers.build_router(texts, problems, broadcasts.dialogues, text_length=broadcasts.text_length)
        )
        router.include(introductions.build_router(texts))
        router.include(
            survey_handlers.build_router(surveys, load_definitions(settings.surveys.definitions), broadcasts.dialogues)
        )
        router.include(plainly.build_router(broadcasts, surveys, router))
        bot = Bot(
            router,
            chosen,
            database=database,
            inbox=inbox,
            outbox=outbox,
            clock=clock,
            activity=activity,
            texts=texts,
            body_limit=settings.server.body_limit,
            given_up=partial(_tell_of_given_up, alarms, clock),
        )
        await bot.start()
        parts.push_async_callback(bot.stop)
        await alarms.start()
        parts.push_async_callback(alarms.stop)
        await broadcasts.start()
        parts.push_async_callback(broadcasts.stop)
        if not rehearsal:
            neighbours = Neighbours([outbox.ring, broadcasts.look_again, escalation.look_again], clock, activity)
            await neighbours.start()
            parts.push_async_callback(neighbours.stop)
            watch = Watch(bot.checks, alarms, database, clock, activity)
            await watch.start()
            parts.push_async_callback(watch.stop)
            bot.health.on_change(lambda reason: watch.ring())
            if file is not None:
                shrinking = LogShrinking(file, clock, activity)
                await shrinking.start()
                parts.push_async_callback(shrinking.stop)
            anchor = Anchor(database, settings.audit.anchor_file, clock, activity)
            await anchor.start()
            parts.push_async_callback(anchor.stop)
            broadcasts.on_release(_at_emergencies(database, anchor))
            sweeping = Sweeping(database, Shelf(storage.attachment_folder), clock, activity)
            await sweeping.start()
            parts.push_async_callback(sweeping.stop)
            await parts.enter_async_context(control.answering(storage.control_socket, inbox, outbox.ring))
        if ladders:
            await escalation.start()
            parts.push_async_callback(escalation.stop)
        if settings.jma.folder is not None:
            await jma.start()
            parts.push_async_callback(jma.stop)
            folder_watch = FolderWatch(settings.jma.folder, jma.receive, clock, activity, report=desk.report)
            await folder_watch.start()
            parts.push_async_callback(folder_watch.stop)
        await surveys.start()
        parts.push_async_callback(surveys.stop)
        yield House(database, plugged, bot, broadcasts, surveys, alarms, activity, clock)


def _pass_on(alarms: Alarms, adapter: str, kind: str, stands: bool, values: Mapping[str, object]) -> None:
    """A platform's trouble, told to the headquarters by every other way."""
    if stands:
        alarms.note(kind, subject=adapter, avoiding=[adapter], headquarters=True, **values)
    else:
        alarms.note_end(kind, subject=adapter)


def _sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for a server's."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def _tell_of_given_up(alarms: Alarms, clock: Clock, record: Record) -> None:
    """Once a day: what it is stands in the list."""
    alarms.note("events_given_up", subject=f"{to_tokyo(clock.now()):%Y-%m-%d}", platform=record.event.adapter)


def _at_emergencies(database: Database, anchor: Anchor) -> ReleaseHook:
    async def ring(db: AsyncConnection, broadcast_id: int, kind: Kind, goes_out: datetime) -> None:
        if kind == "emergency":
            database.after_commit(db, anchor.ring)

    return ring


def broadcast_settings(settings: Settings) -> BroadcastSettings:
    """What the settings say of notices."""
    table = settings.broadcasts
    kinds: tuple[Kind, ...] = get_args(Kind)
    own = {kind: each for kind in kinds if (each := getattr(table, kind)) is not None}
    return BroadcastSettings(
        reminders=_reminders(table),
        reminders_by_kind={kind: _reminders(each) for kind, each in own.items()},
        quiet=None
        if table.quiet_from is None or table.quiet_until is None
        else QuietHours(table.quiet_from, table.quiet_until),
        approval=ApprovalPolicy(table.approval_headquarters, table.approval_others, table.approval_expires),
        signature=Signature(" ".join(table.headquarters.split())) if table.signature else None,
    )


def _reminders(table: RemindersTable) -> ReminderPolicy:
    return ReminderPolicy(interval=table.reminder_interval, at_most=table.reminder_times)
