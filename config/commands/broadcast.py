"""`kairanban broadcast`: follow notices from a terminal, live if wanted, and take them out as tables."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sqlalchemy import select

from bot import audit
from bot.clock import SystemClock, to_tokyo
from bot.storage import Database
from bot.texts import Texts
from broadcasts import export as exporting
from broadcasts import report, unsent
from broadcasts.show import percent
from broadcasts.tables import broadcasts
from config import screen
from config.commands import correct as correcting
from config.commands import send as sending
from config.commands import templates
from config.commands.place import Folder, SettingsFile, caller, catalogue, chosen, free, opened, refusals, save
from config.loops import run
from config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="一斉連絡を見る・書き出す / follow notices, take them out")
app.add_typer(templates.app, name="template")
app.command(
    "send",
    epilog="例 / example: kairanban broadcast send '本文' --by 100022 --to 総務部",
    help="一斉連絡を送る・予約する。--attach で添付 / send or schedule a notice, with files",
)(sending.send)
app.command("correct", help="送った連絡を訂正する。--attach で添付 / correct a notice, with files")(correcting.correct)
console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())


class Encoding(StrEnum):
    """Of a CSV file."""

    UTF8 = "utf-8"
    CP932 = "cp932"


@app.command("list", help="一斉連絡の一覧 / every notice")
def listing(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="何件まで / how many")] = 20,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """The newest first."""
    place = chosen(settings, folder)
    run(_list(place, catalogue(place), limit))


async def _list(settings: Settings, texts: Texts, limit: int) -> None:
    query = select(broadcasts).order_by(broadcasts.c.id.desc()).limit(limit)
    async with opened(settings) as database, database.snapshot() as db:
        rows = (await db.execute(query)).all()
        waiting = await unsent.why_unsent(db, [row.id for row in rows])
    if not rows:
        console.print(texts("read.none"))
        return
    shown = Table(*(texts(f"notices.{name}") for name in ("id", "kind", "state_heading", "sent_at", "text")), box=None)
    for row in rows:
        moment = "" if row.sent_at is None else f"{to_tokyo(row.sent_at):%Y-%m-%d %H:%M}"
        state = texts(f"notices.state.{waiting.get(row.id, row.state)}")
        first = row.text.split("\n", maxsplit=1)[0][:60]
        shown.add_row(str(row.id), texts(f"kind.{row.kind}"), state, moment, Text(first))
    console.print(shown)


@app.command(
    "status",
    epilog="例 / example: kairanban broadcast status 12 --watch",
    help="読まれた数を所属ごとに。--watch で1秒ごとに更新 / who has read, live with --watch",
)
def status(
    number: Annotated[int, typer.Argument(metavar="ID", help="連絡の番号 / the notice's number")],
    watch: Annotated[bool, typer.Option("--watch", help="Ctrl-C まで更新する / until Ctrl-C")] = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Counts and ratios first, then the department tree with its denominators."""
    place = chosen(settings, folder)
    try:
        run(_status(place, catalogue(place), number, watch=watch))
    except KeyboardInterrupt:
        return  # that is how a watch ends


async def _status(settings: Settings, texts: Texts, number: int, *, watch: bool) -> None:
    async with opened(settings) as database:
        first = await _look(database, texts, number)
        if not watch:
            console.print(first)
            return
        with Live(first, console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(1)
                live.update(await _look(database, texts, number), refresh=True)


async def _look(database: Database, texts: Texts, number: int) -> Group:
    async with database.snapshot() as db:
        found = await report.status(db, number)
        if found is None:
            with refusals(texts):
                raise await unsent.refusal(db, number)
    return standing(texts, found)


def standing(texts: Texts, found: report.Status) -> Group:
    """A notice's standing as it is drawn on a terminal."""
    head = texts(
        "read.status",
        id=found.id,
        kind=texts(f"kind.{found.kind}"),
        sent_at=f"{to_tokyo(found.sent_at):%Y-%m-%d %H:%M}",
        read=found.read,
        recipients=found.recipients,
        percent=percent(found.read, found.recipients),
        unread=found.unread,
        reminders=found.reminders,
    )
    lines = [head]
    if found.waiting:
        lines.append(texts("read.waiting", members=found.waiting))
    if found.moved:
        lines.append(texts("read.moved", members=found.moved))
    if found.undelivered:
        lines.append(texts("read.undelivered", members=found.undelivered, id=found.id))
    if found.unreachable:
        lines.append(texts("read.unreachable", members=found.unreachable))
    tree = Table("", *(texts(f"notices.{name}") for name in ("read", "recipients", "percent", "unread")), box=None)
    for column in tree.columns[1:]:
        column.justify = "right"
    for branch in found.departments:
        share = f"{percent(branch.read, branch.recipients)}%"
        counts = (str(branch.read), str(branch.recipients), share, str(branch.unread))
        tree.add_row(Text("  " * branch.depth + branch.name), *counts)
    return Group(Text("\n".join(lines)), tree)


@app.command(
    "export",
    epilog="例 / example: kairanban broadcast export 12 --out 12.xlsx",
    help="既読と回答を CSV か XLSX に / receipts and answers as a table",
)
def export(
    number: Annotated[int, typer.Argument(metavar="ID", help="連絡の番号 / the notice's number")],
    out: Annotated[Path, typer.Option("--out", help=".csv か / or .xlsx")],
    encoding: Annotated[Encoding, typer.Option("--encoding", help="CSV の文字コード / of a CSV")] = Encoding.UTF8,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="あれば置き換える / replace it")] = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Every export is written into the audit."""
    place = chosen(settings, folder)
    free(out, overwrite=overwrite, endings=(".csv", ".xlsx"))
    run(_export(place, catalogue(place), number, out, encoding, overwrite=overwrite))


async def _export(
    settings: Settings, texts: Texts, number: int, out: Path, encoding: Encoding, *, overwrite: bool
) -> None:
    async with opened(settings) as database:
        async with database.snapshot() as db:
            if await report.status(db, number) is None:
                with refusals(texts):
                    raise await unsent.refusal(db, number)
            rows = await exporting.table(db, number, texts)
        form = out.suffix.lower()
        content = exporting.to_csv(rows, encoding.value) if form == ".csv" else exporting.to_xlsx(rows)
        # The audit first: no file leaves without a line about it.
        async with database.transaction() as db:
            details = {"file": out.name, "people": len(rows) - 1}
            subject = f"broadcast:{number}"
            await audit.append(
                db, SystemClock(), actor=caller(), action="broadcast.exported", subject=subject, details=details
            )
        save(out, content, overwrite=overwrite)
    console.print(texts("export.done", file=out, rows=len(rows) - 1))
