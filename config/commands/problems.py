"""`kairanban problems`: what staff reported with `/不具合`, answered and closed from a terminal."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from bot.activity import Activity
from bot.adapters.mail import Mail
from bot.clock import SystemClock
from bot.outbox import Outbox
from bot.storage import Database
from bot.texts import Texts
from broadcasts.problems import Problems, shown
from config import screen
from config.commands.place import Folder, SettingsFile, caller, catalogue, chosen, opened, refusals
from config.house import adapters_from
from config.loops import run
from config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="職員からの不具合の知らせ / problems that staff reported")
console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())

Number = Annotated[int, typer.Argument(metavar="ID", help="受付番号 / the report's number")]
LENGTH = 2000
"""Characters of each text that a list shows."""


@app.command("list", help="不具合の知らせの一覧 / what was reported and is open")
def listing(
    everything: Annotated[bool, typer.Option("--all", help="済んだものも / closed ones, too")] = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """The newest last, each with what was said to it."""
    place = chosen(settings, folder)
    run(_list(place, catalogue(place), everything=everything))


@app.command(
    "answer",
    epilog="例 / example: kairanban problems answer 3 '直しました。もう一度お試しください。'",
    help="知らせた人に返事をする / answer whoever reported it",
)
def answer(
    number: Number,
    text: Annotated[str, typer.Argument(help="返事の文 / what to say")],
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """A running bot sends it."""
    place = chosen(settings, folder)
    run(_answer(place, catalogue(place), number, text, closes=False))


@app.command("close", help="済みにして、知らせた人に伝える / close it, and tell whoever reported it")
def close(
    number: Number,
    text: Annotated[str, typer.Argument(help="添える文 / words that go with it", show_default=False)] = "",
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """A running bot tells them."""
    place = chosen(settings, folder)
    run(_answer(place, catalogue(place), number, text, closes=True))


async def _list(settings: Settings, texts: Texts, *, everything: bool) -> None:
    async with opened(settings) as database, database.snapshot() as db:
        count, found = await _problems(settings, database, texts).listed(db, closed=everything)
    lines = shown(texts, count, found, closed=everything, length=LENGTH)
    console.print("\n".join(lines))


async def _answer(settings: Settings, texts: Texts, number: int, words: str, *, closes: bool) -> None:
    async with opened(settings) as database:
        problems = _problems(settings, database, texts)
        with refusals(texts):
            async with database.transaction() as db:
                report, reached = await problems.answer(db, number, caller(), words, closes=closes)
    console.print(texts("problem.closed" if closes else "problem.answered", number=number, name=report.name))
    if not reached:
        console.print(texts("problem.not_reached", name=report.name))


def _problems(settings: Settings, database: Database, texts: Texts) -> Problems:
    clock = SystemClock()
    chats = {each.name: each for each in adapters_from(settings, clock) if not isinstance(each, Mail)}
    return Problems(Outbox(database, chats, clock, Activity()), tuple(chats), clock, texts)
