"""The command line `kairanban`: each command is one module in `config/commands/`."""

from __future__ import annotations

import platform
import sqlite3
import sys
from importlib import metadata
from typing import Annotated

import typer

from bot.ownership import make_private
from config.commands import (
    audit,
    broadcast,
    chat,
    check,
    jma,
    matrix,
    new_adapter,
    problems,
    queues,
    roster,
    serve,
    survey,
    trial,
)
from config.terminal import run_command

app = typer.Typer(
    name="kairanban",
    help="回覧板: 市役所の連絡ボットと、その試行の予行 / notices for a city hall, and a rehearsal of their trial",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(trial.app, name="trial")
app.command("serve", help="ボットを動かします (--demo: チャットサービスも) / run the bot (--demo: and a chat service)")(
    serve.serve
)
app.command("chat", help="デモの職員としてボットと話します / talk to the bot as one of the demo's staff")(chat.chat)
app.command("check", help="設定に足りないものを教えます / say what is missing in the settings")(check.check)
app.command("new-adapter", help="アダプターのひな形を作ります / begin an adapter of your own")(new_adapter.new_adapter)
app.add_typer(broadcast.app, name="broadcast")
app.add_typer(roster.app, name="roster")
app.add_typer(problems.app, name="problems")
app.add_typer(audit.app, name="audit")
app.add_typer(jma.app, name="jma")
app.add_typer(matrix.app, name="matrix")
app.add_typer(queues.inbox, name="inbox")
app.add_typer(queues.outbox, name="outbox")
app.add_typer(survey.app, name="survey")


def _tell_version(wanted: bool) -> None:
    if wanted:
        python, sqlite = platform.python_version(), sqlite3.sqlite_version
        typer.echo(f"kairanban {metadata.version('kairanban')} (Python {python}, SQLite {sqlite})")
        raise typer.Exit


@app.callback()
def kairanban(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="版の番号 / the version")
    ] = False,
) -> None:
    """回覧板: 市役所の連絡ボットと、その試行の予行 / notices for a city hall, and a rehearsal of their trial."""


def main() -> None:
    """Run the command line; an error raised on purpose is one sentence and exit code 2."""
    make_private()
    sys.exit(run_command(app))
