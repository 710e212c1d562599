"""`kairanban inbox` and `kairanban outbox`: what was given up, and another try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.activity import Activity
from bot.clock import TOKYO, SystemClock, to_tokyo
from bot.control import MOST, NoAnswer, NotOurs, NotRunning, RunningBot
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

AT_ONCE = 500
"""Deliveries in one transaction: the bot writes beside this."""
All = Annotated[bool, typer.Option("--all", help="条件に合うもの全部 / all that the filters name")]
Platform = Annotated[str | None, typer.Option("--platform", help="--all のうち、この経路 / of this platform")]
Since = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d", "%Y-%m-%d %H:%M"], help="--all のうち、この日時から / since then"),
]
Reason = Annotated[
    str | None, typer.Option("--reason", help="--all のうち、理由にこの言葉があるもの / with such words")
]


def _moment(since: datetime | None) -> datetime | None:
    """What people type is the time on the wall."""
    return None if since is None else since.replace(tzinfo=TOKYO)


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
    number: Annotated[int | None, typer.Argument(metavar="[ID]")] = None,
    all_of_them: All = False,
    platform: Platform = None,
    since: Since = None,
    reason: Reason = None,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Make given-up events pending again: a running bot handles them now, a stopped one when it starts."""
    place = chosen(settings, folder)
    texts = catalogue(place)
    if all_of_them == (number is not None):
        raise ConfigurationError(texts("queue.one_or_all"))
    if number is not None:
        run(_replay_event(place, texts, number))
    else:
        run(_replay_events(place, texts, platform, _moment(since), reason))


async def _replay_events(
    settings: Settings, texts: Texts, platform: str | None, since: datetime | None, reason: str | None
) -> None:
    async def replay(log: SqliteInbox | RunningBot) -> int:
        """The oldest first, as they came; in rounds, for a list has a longest length."""
        count, last = 0, -1
        while count > last:
            last = count
            for row in reversed(await log.failed(MOST)):
                if (
                    (platform is None or row.adapter == platform)
                    and (since is None or row.received_at >= since)
                    and (reason is None or reason.casefold() in row.error.casefold())
                ):
                    count += await log.replay(row.id)
            if isinstance(log, RunningBot):
                break  # what fails again at once must not be replayed for ever
        return count

    count, running = await _asked(settings, texts, replay)
    if not count:
        console.print(texts("queue.none"))
        return
    console.print(texts("queue.replaying_events" if running else "queue.replayed_events", count=count))


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
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[ID...]")] = None,
    all_of_them: All = False,
    platform: Platform = None,
    topic: Annotated[
        str | None, typer.Option("--kind", help="--all のうち、何の連絡か (例: broadcast:12) / of such a topic")
    ] = None,
    since: Since = None,
    reason: Reason = None,
    yes: Yes = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Under the same keys, so that nobody gets a second copy where the platform recognises them."""
    place = chosen(settings, folder)
    texts = catalogue(place)
    if all_of_them == bool(numbers):
        raise ConfigurationError(texts("queue.one_or_all"))
    if not numbers:
        numbers = run(_dead_ids(place, platform, topic, _moment(since), reason))
        if not numbers:
            console.print(texts("queue.none"))
            return
        if not yes and not typer.confirm(texts("queue.replay_all", count=len(numbers))):
            console.print(texts("queue.not_replayed"))
            return
    run(_replay_delivery(place, texts, numbers))


async def _dead_ids(
    settings: Settings, platform: str | None, topic: str | None, since: datetime | None, reason: str | None
) -> list[int]:
    async with opened(settings) as database:
        outbox = Outbox(database, {}, SystemClock(), Activity())
        return await outbox.dead_ids(adapter=platform, topic=topic, since=since, reason=reason)


async def _replay_delivery(settings: Settings, texts: Texts, numbers: list[int]) -> None:
    async with opened(settings) as database:
        queue = Outbox(database, {}, SystemClock(), Activity())
        revived = 0
        for start in range(0, len(numbers), AT_ONCE):
            revived += await queue.replay(numbers[start : start + AT_ONCE])
    if not revived:
        raise KairanbanError(texts("queue.none_dead"))
    try:
        await RunningBot(settings.storage.control_socket).ring()
    except KairanbanError:
        console.print(texts("queue.replayed", count=revived))
    else:
        console.print(texts("queue.sending", count=revived))
