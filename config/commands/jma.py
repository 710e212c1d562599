"""`kairanban jma`: what the settings make of one of the weather agency's telegrams."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.bilingual import both, reason, shown
from bot.clock import SystemClock
from bot.errors import ConfigurationError
from bot.texts import Texts
from broadcasts.jma import Memory, compose, decide, describe, read
from broadcasts.jma.tree import SIZE_LIMIT
from config.commands.check import SettingsFile
from config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="気象庁防災情報XML / the weather agency's telegrams")
console = Console(highlight=False, soft_wrap=True, markup=False)


@app.command(
    "draft",
    epilog="例 / example: kairanban jma draft denbun.xml",
    help="電文1通から何を作るかを見せます。何も送りません / what one telegram makes; nothing is sent",
)
def draft(
    file: Annotated[Path, typer.Argument(help="電文 (- は標準入力) / the telegram (- for standard input)")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON で / as JSON")] = False,
    settings: SettingsFile = None,
) -> None:
    """Needs no running bot and no database; what cannot be read is an answer too (`unreadable`), not an error."""
    chosen = Settings.load(settings)
    texts = Texts("broadcasts.jma", "config", language=chosen.language)
    decision = decide(read(_bytes(file)), chosen.jma.rules(), Memory())
    described = describe(decision, texts)
    if as_json:
        # Not through the console: it would break long lines where it thinks the screen ends.
        sys.stdout.write(json.dumps(described, ensure_ascii=False) + "\n")
        return
    console.print(texts(f"jma.{decision.action}"))
    if decision.action != "withdraw":  # this command does not know what the bot has seen before
        console.print(described["reason"])
    if decision.action in ("draft", "amend"):
        console.print("\n" + compose(decision, texts, SystemClock().now()))


def _bytes(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(SIZE_LIMIT + 1)
        with file.open("rb") as opened:
            # One byte more than is allowed is enough to see that it is too much.
            return opened.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise ConfigurationError(both("bot", "document.unreadable", name=shown(file), reason=reason(error))) from error
