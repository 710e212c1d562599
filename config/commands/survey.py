"""`kairanban survey …`: questionnaires from the command line, on the database that the bot uses."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as Grid
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import TOKYO, Clock, SystemClock, to_tokyo
from bot.texts import Texts
from config.commands import survey_schedules
from config.commands.check import SettingsFile
from config.commands.papers import Code, Format, Out, console, save, tell_missing, write
from config.commands.place import Folder, caller, chosen, opened
from config.commands.survey_months import months
from config.loops import run
from surveys import counting
from surveys.exports.paper import Paper
from surveys.exports.sheets import to_sheets
from surveys.importing import import_answers, read_answers
from surveys.loading import load_definition
from surveys.vault import Vault

"""The actor in the audit: whoever may run commands on the machine."""

app = typer.Typer(
    help="アンケートの取り込みと集計 / import and tabulate surveys, and export them",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.command(
    "months", help="月ごとの割合を比べ、差が偶然かを調べます / shares month by month, and whether chance explains it"
)(months)
app.add_typer(survey_schedules.app, name="schedule")

Number = Annotated[int, typer.Argument(metavar="ID", help="アンケートの番号 / the survey's id", min=1, max=2**31)]


@app.command("import", help="ほかで集めた回答を取り込みます / store answers that were collected elsewhere")
def import_(
    definition: Annotated[Path, typer.Option(help="定義（TOML・YAML） / the definition, TOML or YAML")],
    answers: Annotated[Path, typer.Option(help="回答（CSV・XLSX） / the answers, CSV or XLSX")],
    collected: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="集計日（省略すると今日） / the day of the answers", show_default=False
        ),
    ] = None,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Store answers that were collected elsewhere, and print the survey's id; on an error, nothing is stored."""
    asked = load_definition(definition)
    sheets = read_answers(answers, asked)
    clock = SystemClock()
    day = None if collected is None else collected.replace(tzinfo=TOKYO)

    async def work() -> int:
        async with opened(chosen(settings, folder), new=True) as database, database.transaction() as db:
            survey_id = await import_answers(db, clock, asked, sheets, collected=day)
            await _note(db, clock, "imported", survey_id, file=answers.name, respondents=len(sheets))
            return survey_id

    typer.echo(run(work()))


@app.command(
    "tables",
    help="単純集計とクロス集計 / counts and shares, and cross tables",
    epilog="例 / example: kairanban survey tables 3 --rows Q3 --columns Q6 --format xlsx --out 3.xlsx",
    context_settings={"allow_interspersed_args": True},
)
def tables(
    number: Number,
    more: Annotated[list[str] | None, typer.Argument(metavar="", hidden=True, show_default=False)] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(help="表側の質問（いくつでも） / questions, as many as wanted", show_default=False),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="表頭の質問（クロス集計） / the question across; makes a cross table", show_default=False),
    ] = None,
    format: Annotated[Format, typer.Option(help="形式 / form")] = Format.TABLE,
    out: Out = None,
    blanks: Annotated[
        bool, typer.Option("--blanks", help="無回答を数に入れる / count those who left a question blank")
    ] = False,
    words: Annotated[bool, typer.Option("--words", help="記述の言葉を数える / count the words of free texts")] = False,
    mask: Annotated[bool, typer.Option("--mask", help="記述の人名を伏せる / mask persons in free texts")] = False,
    encoding: Annotated[Code, typer.Option(help="CSVの文字コード / encoding of a CSV")] = Code.UTF8,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Print the tables of a survey: counts and shares; for a cross table also chi-square, freedom, p and V."""
    # `--rows Q3 Q6` and `--rows Q3 --rows Q6` are the same: what follows the first question has no option of its own.
    wish = counting.Wish((*(rows or ()), *(more or ())), columns, blanks, words, mask)
    place = chosen(settings, folder)

    async def work() -> Paper:
        async with opened(place) as database, database.snapshot() as db:
            return await counting.count(db, Vault(place.storage.key_folder), number, wish)

    paper = run(work())
    write(paper, counting.plain(paper), format, out, encoding.codec, Texts("surveys", language=place.language))


@app.command("list", help="アンケートの一覧、新しい順に / every survey, the newest first")
def list_(settings: SettingsFile = None, folder: Folder = None) -> None:
    """Print every survey, newest first."""

    async def work() -> Grid:
        grid = Grid("ID", "名前 / key", "題名 / title", "状態 / state", "記名 / anonymity", "締切 / closes")
        async with opened(chosen(settings, folder)) as database, database.snapshot() as db:
            for row in await counting.listed(db):
                closes = f"{to_tokyo(row.closes_at):%Y-%m-%d %H:%M}"
                grid.add_row(str(row.id), row.key, row.title, row.state, row.anonymity, closes)
        return grid

    console().print(run(work()))


@app.command("check", help="定義に直すところがないか / is anything to mend in a definition")
def check(file: Annotated[Path, typer.Argument(help="定義（TOML・YAML） / the definition, TOML or YAML")]) -> None:
    """Say what a definition asks, or what is wrong with it, by line and field."""
    found = load_definition(file)
    grid = Grid("", "名前 / key", "種類 / kind", "質問 / question", title=f"{found.title}（{found.key}）")
    for step in found.steps:
        grid.add_row(str(step.index + 1), step.key, step.question.kind, step.text)
    console().print(grid)


@app.command(
    "export", help="回答を1件1行の CSV に。氏名は記名式だけ / the answers, a line each; names only if it is named"
)
def export(
    number: Number,
    out: Out = None,
    encoding: Annotated[Code, typer.Option(help="文字コード / encoding")] = Code.UTF8,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Write the answers themselves as CSV, a line each; with staff numbers and names only if the survey is named."""
    place = chosen(settings, folder)
    texts = Texts("surveys", language=place.language)

    async def work() -> tuple[bytes, tuple[str, ...]]:
        async with opened(place) as database:
            async with database.transaction() as db:
                await _note(db, SystemClock(), "exported", number)
            async with database.snapshot() as db:
                return await to_sheets(db, Vault(place.storage.key_folder), number, texts, encoding.codec)

    content, missing = run(work())
    save(content, out)
    tell_missing(missing)


# ---------------------------------------------------------------------------------------------------------- details


async def _note(db: AsyncConnection, clock: Clock, action: str, survey_id: int, **details: object) -> None:
    await audit.append(
        db, clock, actor=caller(), action=f"survey.{action}", subject=f"survey:{survey_id}", details=details
    )
