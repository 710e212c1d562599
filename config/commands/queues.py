"""`kairanban inbox` and `kairanban outbox`: what was given up, and another try."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.activity import Activity
from bot.clock import SystemClock, to_tokyo
from bot.errors import ConfigurationError, KairanbanError
from bot.inbox import SqliteInbox
from bot.outbox import Outbox
from bot.texts import Texts
from config import screen
from config.commands.place import Folder, SettingsFile, catalogue, chosen, opened
from config.loops import run
from config.settings import Settings

inbox = typer.Typer(no_args_is_help=True, help="処理できなかった受信 / events that were given up")
outbox = typer.Typer(no_args_is_help=True, help="送れなかったメッセージ / messages that were given up")
console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="何件まで / how many")]


@inbox.command("failed", help="処理をあきらめた受信 / events that were given up")
def failed(limit: Limit = 100, settings: SettingsFile = None, folder: Folder = None) -> None:
    """The newest first; the bot must not be running, for the log belongs to one process."""
    place = chosen(settings, folder)
    run(_failed(place, catalogue(place), limit))


async def _failed(settings: Settings, texts: Texts, limit: int) -> None:
    log = await _opened_inbox(settings, texts)
    try:
        rows = await log.failed(limit)
    finally:
        await log.close()
    if not rows:
        console.print(texts("queue.none"))
        return
    shown = Table(*(texts(f"queue.{name}") for name in ("id", "adapter", "at", "attempts", "reason")))
    for row in rows:
        moment = f"{to_tokyo(row.received_at):%Y-%m-%d %H:%M:%S}"
        shown.add_row(str(row.id), row.adapter, moment, str(row.attempts), Text(row.error))
    console.print(shown)


@inbox.command("replay", help="もう一度処理する。次の起動で / handle it again, at the next start")
def replay_event(
    number: Annotated[int, typer.Argument(metavar="ID")], settings: SettingsFile = None, folder: Folder = None
) -> None:
    """Make a given-up event pending again."""
    place = chosen(settings, folder)
    run(_replay_event(place, catalogue(place), number))


async def _replay_event(settings: Settings, texts: Texts, number: int) -> None:
    log = await _opened_inbox(settings, texts)
    try:
        if not await log.replay(number):
            raise KairanbanError(texts("queue.no_such", id=number))
    finally:
        await log.close()
    console.print(texts("queue.replayed_event", id=number))


async def _opened_inbox(settings: Settings, texts: Texts) -> SqliteInbox:
    file = settings.storage.inbox_file
    if not file.exists():
        raise ConfigurationError(texts("queue.no_inbox", file=file))
    log = SqliteInbox(file, SystemClock(), durability=settings.storage.durability)
    try:
        await log.open()
    except ConfigurationError as error:
        if "in use" in str(error):
            raise ConfigurationError(texts("queue.locked", file=file)) from error
        raise
    return log


@outbox.command("dead", help="送るのをあきらめたメッセージ / messages that were given up")
def dead(limit: Limit = 100, settings: SettingsFile = None, folder: Folder = None) -> None:
    """The latest first."""
    place = chosen(settings, folder)
    run(_dead(place, catalogue(place), limit))


async def _dead(settings: Settings, texts: Texts, limit: int) -> None:
    async with opened(settings) as database:
        rows = await Outbox(database, {}, SystemClock(), Activity()).dead(limit)
    if not rows:
        console.print(texts("queue.none"))
        return
    shown = Table(*(texts(f"queue.{name}") for name in ("id", "adapter", "address", "topic", "at", "reason")))
    for row in rows:
        moment = f"{to_tokyo(row.finished_at):%Y-%m-%d %H:%M:%S}"
        shown.add_row(str(row.id), row.adapter, row.address.id, row.topic or "", moment, Text(row.reason))
    console.print(shown)


@outbox.command("replay", help="もう一度送る / send them again")
def replay_delivery(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...")],
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Under the same keys, so that nobody gets a second copy where the platform recognises them."""
    place = chosen(settings, folder)
    run(_replay_delivery(place, catalogue(place), numbers))


async def _replay_delivery(settings: Settings, texts: Texts, numbers: list[int]) -> None:
    async with opened(settings) as database:
        revived = await Outbox(database, {}, SystemClock(), Activity()).replay(numbers)
    if not revived:
        raise KairanbanError(texts("queue.none_dead"))
    console.print(texts("queue.replayed", count=revived))
