"""`kairanban survey schedule …`: surveys that open later or again and again, on the database that the bot uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.activity import Activity
from bot.bilingual import both
from bot.clock import SystemClock
from bot.directory import member_by_code
from bot.errors import ConfigurationError
from bot.outbox import Outbox
from bot.storage import Database
from bot.texts import Texts
from config import screen
from config.commands.place import Folder, SettingsFile, caller, chosen, opened, refusals
from config.loops import run
from config.settings import Settings
from handlers.survey_opening import asked_by_name
from handlers.survey_schedules import line, listing_text, read_plan
from surveys.loading import load_definition
from surveys.service import Surveys
from surveys.vault import Vault

app = typer.Typer(no_args_is_help=True, help="アンケートの予約 / surveys that open later, once or again and again")
console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())

Number = Annotated[int, typer.Argument(metavar="ID", help="予約の番号 / the reservation", min=1, max=2**31)]


@app.command("add", help="予約します / let a survey open by itself")
def add(
    definition: Annotated[Path, typer.Argument(help="定義（TOML・YAML） / the definition, TOML or YAML")],
    owner: Annotated[str, typer.Option(help="担当者の職員番号 / the staff number of whoever it belongs to")],
    when: Annotated[
        str,
        typer.Option(
            help="例 / such as: 毎月20日 09:00 翌開庁日 締切 7日 2023-12-31まで @福祉部（省くと定義のとおり）",
            show_default=False,
        ),
    ] = "",
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Let a survey open by itself; a bot that runs learns of it within ten minutes."""
    asked = load_definition(definition)
    place = chosen(settings, folder)
    texts = _texts(place)

    async def work() -> str:
        async with opened(place) as database, database.transaction() as db:
            person = await member_by_code(db, owner)
            if person is None:
                raise ConfigurationError(both("config", "command.nobody", code=owner))
            plan = read_plan(asked, when, SystemClock().now())
            return line(
                texts,
                await _surveys(database, place, texts).schedules.reserve(db, plan, owner=person, actor=caller()),
            )

    with refusals(texts):
        console.print(run(work()))


@app.command("list", help="予約の一覧 / what will open, the next first")
def list_(settings: SettingsFile = None, folder: Folder = None) -> None:
    """Print what will open, the next first."""
    place = chosen(settings, folder)
    texts = _texts(place)

    async def work() -> str:
        async with opened(place) as database, database.snapshot() as db:
            return listing_text(texts, await _surveys(database, place, texts).schedules.listing(db))

    console.print(run(work()))


@app.command("cancel", help="予約を取り消します / call a reservation off")
def cancel(number: Number, settings: SettingsFile = None, folder: Folder = None) -> None:
    """Call a reservation off; what it has opened already stays open."""
    place = chosen(settings, folder)
    texts = _texts(place)

    async def work() -> str:
        async with opened(place) as database, database.transaction() as db:
            ended = await _surveys(database, place, texts).schedules.cancel(db, number, actor=caller())
            return texts("survey.schedule.cancelled", id=ended.id, title=ended.plan.definition.title)

    with refusals(texts):
        console.print(run(work()))


def _texts(settings: Settings) -> Texts:
    return Texts("bot", "broadcasts", "surveys", language=settings.language)


def _surveys(database: Database, settings: Settings, texts: Texts) -> Surveys:
    """The service without its loop: the bot that runs opens what is due."""
    clock, activity = SystemClock(), Activity()
    outbox = Outbox(database, {}, clock, activity)
    vault = Vault(settings.storage.key_folder)
    return Surveys(database, outbox, clock, activity, texts, vault=vault, resolve=asked_by_name)
