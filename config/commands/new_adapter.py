"""`kairanban new-adapter`: a package for an adapter of one's own, with tests that pass, to be changed step by step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import adapters
from bot.bilingual import both, shown
from bot.errors import ConfigurationError

TEMPLATE = Path(__file__).parent.parent / "adapter_template"
"""A package for a platform named pigeon; the name is all that changes."""


def new_adapter(
    name: Annotated[str, typer.Argument(help="アダプターの名前 / its name, such as: pigeon")],
    folder: Annotated[
        Path, typer.Argument(help="作る場所。まだないか、空のフォルダー / a folder that is new or empty")
    ],
) -> None:
    """Write the template into `folder`, with `name` filled in."""
    if not re.fullmatch(r"[a-z](_?[a-z0-9])*", name):
        raise ConfigurationError(both("config", "command.adapter_name", name=name))
    if name in adapters.names():
        raise ConfigurationError(both("config", "command.adapter_taken", name=name))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(both("config", "command.not_empty", folder=shown(folder)))
    written = write(name, folder)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for file in written:
        console.print(f"  {folder / file}")
    console.print(
        f"できました。つぎは / Done. Next:\n  cd {folder}\n  pip install -e '.[testing]'\n  pytest\n"
        "それから README.md の順に進めてください。 / then go on as README.md says."
    )


def write(name: str, folder: Path) -> list[Path]:
    """Fill the template in; the files written, within `folder`."""
    title = "".join(part.capitalize() for part in name.split("_"))

    def named(text: str) -> str:
        return text.replace("pigeon", name).replace("Pigeon", title)

    sources = sorted(file for file in TEMPLATE.rglob("*") if file.is_file() and file.suffix in {".py", ".md", ".toml"})
    files = [Path(named(str(source.relative_to(TEMPLATE)))) for source in sources]
    for source, file in zip(sources, files, strict=True):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(named(source.read_text(encoding="utf-8")), encoding="utf-8")
    return files
