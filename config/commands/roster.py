"""`kairanban roster`: the staff directory from personnel's file, back again, out into a file; who is not reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import audit, roster
from bot.clock import SystemClock
from bot.errors import KairanbanError
from bot.texts import Texts
from config import screen
from config.commands import addresses as reaching
from config.commands.place import Folder, SettingsFile, Yes, caller, catalogue, chosen, free, opened, refusals, save
from config.loops import run
from config.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="職員名簿の取り込みと書き出し、届かない宛先 / the staff directory, in and out; who is not reached",
)
_FIRST = 20
_EVERYTHING = 1_000_000

console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())


@app.command(
    "import",
    epilog="例 / example: kairanban roster import meibo.xlsx --dry-run",
    help="名簿ファイル (CSV, XLSX) との差分を見せて取り込みます / show the difference, then import",
)
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8, Shift_JIS) か XLSX / the roster")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="差分を見せるだけ / only show the difference")] = False,
    yes: Yes = False,
    everything: Annotated[
        bool, typer.Option("--all", help="一人ずつ、すべて並べる / list every change, not only the first twenty")
    ] = False,
    sheet: Annotated[str | None, typer.Option("--sheet", help="読むシートの名前 / which sheet of a workbook")] = None,
    many_may_leave: Annotated[
        bool, typer.Option("--many-may-leave", help="2割より多い人がいなくなってもよい / more than a fifth may leave")
    ] = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Nothing is applied before it has been shown and confirmed, and then everything or nothing."""
    place = chosen(settings, folder)
    most = _EVERYTHING if everything else _FIRST
    wish = _Wish(file, sheet, most, dry_run=dry_run, yes=yes, many_may_leave=many_may_leave)
    run(_import(place, catalogue(place), wish))


@dataclass(frozen=True)
class _Wish:
    """What is to be imported how; `most` changes of each kind are listed."""

    file: Path
    sheet: str | None
    most: int
    dry_run: bool
    yes: bool
    many_may_leave: bool


async def _import(settings: Settings, texts: Texts, wish: _Wish) -> None:
    async with opened(settings, new=True) as database:
        try:
            with refusals(texts):
                read = roster.read_file(wish.file, sheet=wish.sheet)
                async with database.snapshot() as db:
                    plan = await roster.plan(db, read)
        except KairanbanError as error:
            if isinstance(error.__cause__, roster.BrokenRoster):
                raise KairanbanError("\n".join(roster.describe_problems(error.__cause__, texts))) from error
            raise
        for line in roster.describe(plan, texts, wish.most):
            console.print(line)
        if wish.dry_run or plan.empty:
            return
        if plan.many_leave and not wish.many_may_leave:
            raise typer.Exit(2)  # the last line has said why, and what to add
        if not wish.yes:
            typer.confirm(texts("roster.confirm"), abort=True)
        with refusals(texts):
            async with database.transaction() as db:
                number = await roster.apply(db, SystemClock(), plan, by=caller(), many_may_leave=wish.many_may_leave)
        console.print(texts("roster.applied", id=number))


@app.command("undo", help="最後の取り込みを元に戻します / take the last import back")
def undo(yes: Yes = False, settings: SettingsFile = None, folder: Folder = None) -> None:
    """Everybody whom the last import touched becomes what they were before."""
    place = chosen(settings, folder)
    run(_undo(place, catalogue(place), yes=yes))


async def _undo(settings: Settings, texts: Texts, *, yes: bool) -> None:
    async with opened(settings) as database:
        async with database.snapshot() as db:
            last = await roster.last_import(db)
        if last is None:
            raise KairanbanError(texts("roster.nothing_to_undo"))
        if not yes:
            typer.confirm(texts("roster.confirm_undo", id=last.id, file=last.file_name), abort=True)
        with refusals(texts):
            async with database.transaction() as db:
                await roster.undo(db, SystemClock(), by=caller(), import_id=last.id)
        console.print(texts("roster.undone", id=last.id, file=last.file_name))


@app.command(
    "export",
    epilog="例 / example: kairanban roster export meibo.xlsx",
    help="名簿を CSV か XLSX に書き出します / write the directory to a file",
)
def export(
    file: Annotated[Path, typer.Argument(help=".csv か / or .xlsx")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="あれば置き換える / replace it")] = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """The file imports back without a difference."""
    place = chosen(settings, folder)
    free(file, overwrite=overwrite, endings=(".csv", ".xlsx"))
    run(_export(place, catalogue(place), file, overwrite=overwrite))


async def _export(settings: Settings, texts: Texts, file: Path, *, overwrite: bool) -> None:
    async with opened(settings) as database:
        async with database.snapshot() as db:
            people = await roster.staff(db)
        content = roster.to_csv(people) if file.suffix.lower() == ".csv" else roster.to_xlsx(people)
        # The audit first: no file leaves without a line about it.
        async with database.transaction() as db:
            details = {"file": file.name, "people": len(people)}
            await audit.append(
                db, SystemClock(), actor=caller(), action="roster.exported", subject="roster", details=details
            )
        save(file, content, overwrite=overwrite)
    console.print(texts("export.done", file=file, rows=len(people)))


app.command(
    "addresses",
    epilog="例 / example: kairanban roster addresses --gone",
    help="だれがどこで届くか。--gone で届かない人だけ / who is reached where; only who is not with --gone",
)(reaching.addresses)
app.command(
    "retry",
    epilog="例 / example: kairanban roster retry 000103 --on line",
    help="届かなくなった宛先を、次の連絡からもう一度使います / use an address again that was given up",
)(reaching.retry)
