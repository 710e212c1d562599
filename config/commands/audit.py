"""`kairanban audit`: read the chain of who did what, and find where somebody tampered with it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from bot import audit
from bot.audit import Head, audit_log
from bot.clock import to_tokyo
from bot.errors import ConfigurationError
from bot.texts import Texts
from config import screen
from config.commands.place import Folder, SettingsFile, catalogue, chosen, opened
from config.loops import run
from config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="監査記録 / the audit")
console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())


@app.command("verify", help="記録が変えられていないか調べます / find changed, removed or inserted rows")
def verify(
    head: Annotated[
        str | None,
        typer.Option("--head", help="前に書き留めた audit head / what `audit head` once said", show_default=False),
    ] = None,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Exit code 1 if anything is wrong."""
    try:
        noted = None if head is None else Head.parse(head)
    except ValueError as error:
        raise ConfigurationError(f"--head: {error}") from error
    place = chosen(settings, folder)
    run(_verify(place, catalogue(place), noted))


async def _verify(settings: Settings, texts: Texts, noted: Head | None) -> None:
    async with opened(settings) as database, database.snapshot() as db:
        found = await audit.verify(db, noted)
    if found.ok:
        console.print(texts("audit.sound", count=found.count, head=found.head))
        return
    for finding in found.findings:
        rows = str(finding.first) if finding.first == finding.last else f"{finding.first}–{finding.last}"
        console.print(texts(f"audit.{finding.kind}", rows=rows))
    console.print(texts("audit.broken", findings=len(found.findings)))
    raise typer.Exit(1)


@app.command("head", help="いまの末尾。紙などに書き留めて verify --head に渡せます / note it down, verify with it")
def head(settings: SettingsFile = None, folder: Folder = None) -> None:
    """Print how long the chain is and its last hash."""
    place = chosen(settings, folder)
    run(_head(place, catalogue(place)))


async def _head(settings: Settings, texts: Texts) -> None:
    async with opened(settings) as database, database.snapshot() as db:
        found = await audit.head(db)
    console.print(texts("audit.empty") if found is None else str(found))


@app.command("list", help="新しい順に見せます / the newest first")
def listing(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="何件まで / how many")] = 50,
    subject: Annotated[
        str | None, typer.Option("--subject", help="例 / such as: broadcast:12", show_default=False)
    ] = None,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Print who did what to what."""
    place = chosen(settings, folder)
    run(_list(place, catalogue(place), limit, subject))


async def _list(settings: Settings, texts: Texts, limit: int, subject: str | None) -> None:
    query = select(audit_log).order_by(audit_log.c.seq.desc()).limit(limit)
    if subject is not None:
        query = query.where(audit_log.c.subject == subject)
    async with opened(settings) as database, database.snapshot() as db:
        rows = (await db.execute(query)).all()
    if not rows:
        console.print(texts("audit.empty"))
        return
    table = Table(*(texts(f"audit.column.{name}") for name in ("seq", "at", "actor", "action", "subject", "details")))
    for row in rows:
        moment = to_tokyo(row.at).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(str(row.seq), moment, row.actor, row.action, row.subject, row.details)
    console.print(table)
