"""`kairanban inbox` and `kairanban outbox`: what was given up, and another try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.activity import Activity
from bot.clock import SystemClock, to_tokyo
from bot.control import NoAnswer, NotOurs, NotRunning, RunningBot
from bot.errors import ConfigurationError, KairanbanError
from bot.inbox import SqliteInbox
from bot.outbox import Outbox
from bot.texts import Texts
from config import screen
from config.commands.place import Folder, SettingsFile, Yes, catalogue, chosen, opened
from config.loops import run
from config.settings import Settings

T = TypeVar("T")

inbox = typer.Typer(no_args_is_help=True, help="処理できなかった受信 / events that were given up")
outbox = typer.Typer(no_args_is_help=True, help="送れなかったメッセージ / messages that were given up")
console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="何件まで / how many")]


@inbox.command("failed", help="処理をあきらめた受信 / events that were given up")
def failed(limit: Limit = 100, settings: SettingsFile = None, folder: Folder = None) -> None:
    """The newest first; a running bot is asked, for its log belongs to one process."""
    place = chosen(settings, folder)
    run(_failed(place, catalogue(place), limit))


async def _failed(settings: Settings, texts: Texts, limit: int) -> None:
    rows, _ = await _asked(settings, texts, lambda log: log.failed(limit))
    if not rows:
        console.print(texts("queue.none"))
        return
    shown = Table(*(texts(f"queue.{name}") for name in ("id", "adapter", "at", "attempts", "reason")))
    for row in rows:
        moment = f"{to_tokyo(row.received_at):%Y-%m-%d %H:%M:%S}"
        shown.add_row(str(row.id), row.adapter, moment, str(row.attempts), Text(row.error))
    console.print(shown)


@inbox.command("replay", help="もう一度処理する / handle it again")
def replay_event(
    number: Annotated[int, typer.Argument(metavar="ID")], settings: SettingsFile = None, folder: Folder = None
) -> None:
    """Make a given-up event pending again: a running bot handles it now, a stopped one when it starts."""
    place = chosen(settings, folder)
    run(_replay_event(place, catalogue(place), number))


async def _replay_event(settings: Settings, texts: Texts, number: int) -> None:
    found, running = await _asked(settings, texts, lambda log: log.replay(number))
    if not found:
        raise KairanbanError(texts("queue.no_such", id=number))
    console.print(texts("queue.replaying_event" if running else "queue.replayed_event", id=number))


@inbox.command("discard", help="捨てる / throw it away for good")
def discard_events(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...")],
    yes: Yes = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Take given-up events off the list: what was in them cannot be had again."""
    place = chosen(settings, folder)
    texts = catalogue(place)
    if not yes and not typer.confirm(texts("queue.discard", ids=", ".join(map(str, numbers)))):
        console.print(texts("queue.kept"))
        return
    run(_discard_events(place, texts, numbers))


async def _discard_events(settings: Settings, texts: Texts, numbers: list[int]) -> None:
    async def discard(log: SqliteInbox | RunningBot) -> list[int]:
        return [number for number in numbers if await log.discard(number)]

    discarded, _ = await _asked(settings, texts, discard)
    if discarded:
        console.print(texts("queue.discarded", ids=", ".join(map(str, discarded))))
    for number in numbers:
        if number not in discarded:
            raise KairanbanError(texts("queue.no_such", id=number))


async def _asked(
    settings: Settings, texts: Texts, ask: Callable[[SqliteInbox | RunningBot], Awaitable[T]]
) -> tuple[T, bool]:
    """What the inbox answers, and whether it was a running bot's."""
    place = settings.storage.control_socket
    try:
        return await ask(RunningBot(place)), True
    except NotRunning:
        pass
    except NotOurs as error:
        raise ConfigurationError(texts("queue.not_ours", socket=place)) from error
    except NoAnswer as error:
        raise KairanbanError(texts("queue.no_answer", socket=place, reason=error)) from error
    log = await _opened_inbox(settings, texts)
    try:
        return await ask(log), False
    finally:
        await log.close()


async def _opened_inbox(settings: Settings, texts: Texts) -> SqliteInbox:
    file = settings.storage.inbox_file
    if not file.exists():
        raise ConfigurationError(texts("queue.no_inbox", file=file))
    log = SqliteInbox(file, SystemClock(), durability=settings.storage.durability)
    try:
        await log.open()
    except ConfigurationError as error:
        if "in use" in str(error):
            socket = settings.storage.control_socket
            raise ConfigurationError(texts("queue.locked", file=file, socket=socket)) from error
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
    try:
        await RunningBot(settings.storage.control_socket).ring()
    except KairanbanError:
        console.print(texts("queue.replayed", count=revived))
    else:
        console.print(texts("queue.sending", count=revived))
