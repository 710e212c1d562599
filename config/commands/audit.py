"""`kairanban audit`: read the chain of who did what, and find where somebody tampered with it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.audit import Head, audit_log
from bot.bilingual import both, reason, shown
from bot.clock import to_tokyo
from bot.errors import ConfigurationError
from bot.texts import Texts
from broadcasts.tables import broadcasts
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
    anchored = _anchored(settings)
    async with opened(settings) as database, database.snapshot() as db:
        found = await audit.verify(db, noted, *anchored)
        silent = await _without_a_word(db)
    if settings.audit.anchor_file is not None:
        console.print(texts("audit.anchored", count=len(anchored), file=shown(settings.audit.anchor_file)))
    if silent:
        console.print(texts("audit.silent", ids=", ".join(map(str, silent[:20])), count=len(silent)))
    if found.ok and not silent:
        console.print(texts("audit.sound", count=found.count, head=found.head))
        return
    for finding in found.findings:
        rows = str(finding.first) if finding.first == finding.last else f"{finding.first}–{finding.last}"
        console.print(texts(f"audit.{finding.kind}", rows=rows))
    console.print(texts("audit.broken", findings=len(found.findings) + bool(silent)))
    raise typer.Exit(1)


def _anchored(settings: Settings) -> list[Head]:
    """The heads that the bot has noted outside of its database."""
    file = settings.audit.anchor_file
    if file is None:
        return []
    try:
        return audit.noted_in(file)
    except OSError as error:
        raise ConfigurationError(both("bot", "document.unreadable", name=shown(file), reason=reason(error))) from error


async def _without_a_word(db: AsyncConnection) -> list[int]:
    """Notices that went out and of whose sending the audit has no row: it was emptied, or made anew."""
    sent = await db.scalars(select(broadcasts.c.id).where(broadcasts.c.sent_at.is_not(None)).order_by(broadcasts.c.id))
    told = set(await db.scalars(select(audit_log.c.subject).where(audit_log.c.subject.like("broadcast:%")).distinct()))
    return [number for number in sent if f"broadcast:{number}" not in told]


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
