"""`kairanban serve`: the bot on its settings, or, with `--demo`, a chat service and 225 simulated staff with it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot.activity import Activity
from bot.clock import SystemClock
from bot.errors import ConfigurationError
from bot.serving import serving
from config import logs
from config.commands.check import SettingsFile
from config.house import open_house
from config.loops import run
from config.settings import Settings
from config.stage import Stage, open_stage
from trial.population import ADMINISTRATOR, HEADQUARTERS, Person, populate

DEMO_FOLDER = Path("var/demo")


def serve(
    settings: SettingsFile = None,
    demo: Annotated[bool, typer.Option("--demo", help="チャットサービスも動かす / with a chat service")] = False,
    folder: Annotated[Path, typer.Option(help="--demo の保存先 / where the demo keeps things")] = DEMO_FOLDER,
    staff: Annotated[int, typer.Option(min=4, max=3_000, help="--demo の職員数 / the demo's staff")] = 225,
    seed: Annotated[int, typer.Option(help="--demo の乱数の種 / the demo's seed")] = 1,
    service_port: Annotated[
        int, typer.Option(min=0, max=65535, help="--demo のチャットサービス / chat service")
    ] = 8780,
    bot_port: Annotated[int, typer.Option(min=0, max=65535, help="--demo のボット / bot")] = 8781,
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
) -> None:
    """Run until Ctrl-C or SIGTERM."""
    logs.configure(verbose=verbose)
    if demo:
        rules = Settings() if settings is None else _without_platforms(Settings.load(settings))
        run(_demo(folder, populate(staff, seed), service_port, bot_port, rules))
    else:
        run(_serve(Settings.load(settings)))


def _without_platforms(settings: Settings) -> Settings:
    """A city's own rules for the demo. No notice to simulated staff may reach a real platform or a real mail server."""
    platforms: dict[str, object] = {
        "logochat": None,
        "line": None,
        "lineworks": None,
        "matrix": None,
        "mail": None,
        "adapters": {},
    }
    return settings.model_copy(update=platforms)


async def _serve(settings: Settings) -> None:
    if problems := list(settings.problems()):
        raise ConfigurationError("\n".join(problems))
    console = Console(soft_wrap=True, highlight=False)
    async with open_house(settings) as house:
        try:
            found = await house.link_people()
            console.print(f"職員の宛先を {found} 件、新しく覚えました。 / {found} addresses learned.")
        except Exception as error:  # the service may be down when we start; what waits is sent once it is back
            console.print(f"[yellow]職員一覧を取れませんでした。 / The list of users is out of reach:[/] {error}")
        async with serving(house.bot.web_server(), settings.server.host, settings.server.port) as port:
            console.print("受け付けています (Ctrl-C で終了) / listening, until Ctrl-C:")
            for name in house.adapters:
                console.print(f"  http://{settings.server.host}:{port}/webhooks/{name}")
            await _until_told()


async def _demo(folder: Path, people: list[Person], service_port: int, bot_port: int, settings: Settings) -> None:
    async with open_stage(
        folder,
        people,
        clock=SystemClock(),
        activity=Activity(),
        durability="full",
        service_port=service_port,
        bot_port=bot_port,
        settings=settings,
    ) as stage:
        _introduce(stage, folder, people)
        await _until_told()


def _introduce(stage: Stage, folder: Path, people: list[Person]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"[bold]回覧板のデモ / Kairanban's demo[/]: 架空の職員 {len(people)} 人 / {len(people)} simulated staff\n"
        f"  チャットサービス / chat service  {stage.service.url}  (API: {stage.service.url}/openapi.json)\n"
        f"  ボット / bot                     {stage.bot_url}  (/healthz, /readyz, /metrics)  id {stage.bot_id}\n"
        f"  管理者の鍵 / admin token         {folder / 'admin.token'}"
    )
    table = Table("役割 / role", "所属", "氏名", "login", "パスワード / password", box=None, padding=(0, 1, 0, 0))
    for role, title in (
        (HEADQUARTERS, "災害対策本部 / headquarters"),
        (ADMINISTRATOR, "管理者 / administrator"),
        ("", "職員 / staff"),
    ):
        for person in [each for each in people if (role in each.roles if role else not each.roles)][:2]:
            table.add_row(title, person.department, person.name, person.login, person.password)
    console.print(table)
    head = next(person for person in people if HEADQUARTERS in person.roles)
    console.print(
        "試すには / to try it, in another terminal:\n"
        f"  kairanban chat {head.login} --service {stage.service.url}\n"
        "打ち込む言葉 / what to type:  /一斉 本文   /既読   /予約   /アンケート   /ヘルプ\n"
        "終わるには / to stop: Ctrl-C"
    )


async def _until_told() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()
