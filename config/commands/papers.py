"""How a paper of survey tables leaves the command line: on the screen, or as a file of any form."""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bot.bilingual import both, reason, shown
from bot.errors import ConfigurationError
from bot.texts import Texts
from surveys.exports.csv import Encoding, to_csv
from surveys.exports.html import to_html
from surveys.exports.paper import Block, Paper, Share, all_blocks, head
from surveys.exports.xlsx import to_xlsx

WIDTH = 160
"""Characters of a line in a file or a pipe, which has no width of its own."""

Out = Annotated[
    Path | None,
    typer.Option(help="書き出す先 / the file to write; standard output if there is none", show_default=False),
]


class Format(StrEnum):
    """How tables leave the program."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    HTML = "html"


class Code(StrEnum):
    """How a CSV file is encoded."""

    UTF8 = "utf-8"
    CP932 = "cp932"

    @property
    def codec(self) -> Encoding:
        return "cp932" if self is Code.CP932 else "utf-8-sig"


def write(
    paper: Paper, values: dict[str, Any], format: Format, out: Path | None, encoding: Encoding, texts: Texts
) -> None:
    """Write `paper` to `out`, or show it; `values` are what it holds, for JSON."""
    missing: tuple[str, ...] = ()
    match format:
        case Format.TABLE if out is None:
            _show(console(), paper, texts)
            return
        case Format.TABLE:
            sheet = io.StringIO()
            _show(Console(file=sheet, width=WIDTH, highlight=False), paper, texts)
            content = sheet.getvalue().encode()
        case Format.JSON:
            content = orjson.dumps(values, option=orjson.OPT_INDENT_2) + b"\n"
        case Format.CSV:
            content, missing = to_csv(paper, texts, encoding)
        case Format.XLSX:
            if out is None:
                raise ConfigurationError(both("config", "command.no_screen"))
            content = to_xlsx(paper, texts)
        case Format.HTML:
            content = to_html(paper, texts).encode()
    save(content, out)
    tell_missing(missing)


def save(content: bytes, out: Path | None) -> None:
    """Write a file, or to standard output if there is no `out`; raises `ConfigurationError`."""
    if out is None:
        typer.echo(content, nl=False)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(both("config", "command.unwritable", file=shown(out), reason=reason(error))) from error
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"書き出しました / written: {out}")


def tell_missing(characters: tuple[str, ...]) -> None:
    """Say beside the output which characters CP932 lacks."""
    if characters:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"CP932にない文字を〓に置き換えました / replaced, as CP932 lacks them: {' '.join(characters)}"
        )


def _show(screen: Console, paper: Paper, texts: Texts) -> None:
    screen.print(paper.title, style="bold", markup=False)
    for label, field in head(paper, texts):
        screen.print(f"{label}: {field}", markup=False)
    for block in all_blocks(paper, texts):
        screen.print()
        screen.print(_grid(block))
        for line in block.remarks:
            screen.print(line, markup=False)


def _grid(block: Block) -> Grid:
    grid = Grid(title=Text(block.title), title_justify="left", title_style="bold")
    for place, field in enumerate(block.header):
        grid.add_column(Text(str(field)), justify="left" if place < block.labels else "right")
    for line in block.lines:
        grid.add_row(*(Text(_cell(field)) for field in line))
    return grid


def _cell(field: object) -> str:
    if field is None:
        return ""
    return f"{field:.1%}" if isinstance(field, Share) else f"{field:,}" if isinstance(field, int) else str(field)


def console() -> Console:
    """Where tables are shown: as wide as the screen, or `WIDTH` in a pipe."""
    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
