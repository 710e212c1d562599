"""`kairanban check`: what is missing in the settings, in a sentence each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.bilingual import both
from config.settings import DEFAULT_FILE, Settings

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings", help=f"設定ファイル / the settings file (default: ./{DEFAULT_FILE})", show_default=False
    ),
]


def check(settings: SettingsFile = None) -> None:
    """Print a sentence for each problem; exit code 1 if there is one."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    found = Settings.load(settings)
    problems = list(found.problems())
    for problem in problems:
        console.print(f"・{problem}")
    for warning in found.warnings():
        console.print(f"{both('config', 'check.warning')} {warning}")
    if problems:
        raise typer.Exit(1)
    names = [table.TABLE for table in found.platforms()] + [other.name for other in found.others()]
    console.print(f"{both('config', 'check.platforms')} {', '.join(names)}")
    if found.jma.folder is not None or found.jma.areas:
        console.print(str(both("config", "check.telegrams")))
        for line in found.jma.places().described():
            console.print(f"  {line}")
    console.print(str(both("config", "check.ready")))
