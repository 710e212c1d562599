"""`kairanban trial import-counts` and `import-traits`: what a real trial knows from elsewhere, for its evaluation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import select

from bot import audit, usage
from bot.bilingual import both, reason, shown
from bot.clock import SystemClock
from bot.errors import ConfigurationError
from bot.tables import members
from bot.texts import Texts
from bot.usage_files import COUNT_HEADINGS, TRAIT_HEADINGS, read_counts, read_traits
from config import screen
from config.commands.place import Folder, SettingsFile, caller, chosen, opened, refusals
from config.loops import run

console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())

File = Annotated[Path, typer.Argument(help="CSV（UTF-8・Shift_JIS）か XLSX / CSV or XLSX")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="確かめるだけ / only check")]


def import_counts(
    file: File,
    source: Annotated[str, typer.Option(help="数えたサービスの名前 / whose counts these are")] = "service",
    dry_run: DryRun = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Import what the chat service counted: a line a day with 日付 and 利用者, ルーム, メッセージ, ファイル, 使った人 …

    All are totals at the end of that day; 使った人 are those who were active in its month. A day again replaces it.
    """
    if source == usage.REHEARSAL:
        raise ConfigurationError(both("config", "command.source", source=source))
    place = chosen(settings, folder)
    texts = Texts("bot", "bot.roster", language=place.language)
    with refusals(texts):
        found = read_counts(_read(file), texts)

    async def work() -> None:
        async with opened(place) as database, database.transaction() as db:
            for each in found:
                await usage.note_snapshot(db, each.at, source, each.counts)
            details = {"file": file.name, "days": len(found)}
            await audit.append(
                db, SystemClock(), actor=caller(), action="usage.counts", subject=f"service:{source}", details=details
            )

    for each in found:
        names = {key: COUNT_HEADINGS[key.partition(":")[0]][0] for key in each.counts}
        counts = "、".join(f"{names[key]} {count:,}" for key, count in each.counts.items())
        console.print(texts("usage_file.counts_line", day=each.day, counts=counts))
    if not dry_run:
        run(work())
    console.print(texts("usage_file.dry_run") if dry_run else texts("usage_file.counts_done", days=len(found)))


def import_traits(
    file: File,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="名簿にない人を飛ばす / pass over people not in the roster")
    ] = False,
    dry_run: DryRun = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Import groups of people: a line a person with 職員番号 and 年代, 機器の操作, 雇用形態, 使う端末 (or some).

    Departments come from the roster. What is noted of a person is replaced, what a cell leaves blank stays.
    """
    place = chosen(settings, folder)
    texts = Texts("bot", "bot.roster", language=place.language)

    async def work() -> None:
        async with opened(place) as database:
            async with database.snapshot() as db:
                staff = set(await db.scalars(select(members.c.code)))
            found, unknown = read_traits(content, texts, staff, skip_unknown=skip_unknown)
            for trait, people in found.items():
                groups = "、".join(f"{name} {count}" for name, count in sorted(Counter(people.values()).items()))
                heading = TRAIT_HEADINGS[trait][0]
                console.print(texts("usage_file.traits_line", trait=heading, people=len(people), groups=groups))
            if unknown:
                console.print(texts("usage_file.traits_unknown", count=unknown))
            if dry_run:
                return
            async with database.transaction() as db:
                for trait, people in found.items():
                    await usage.note_traits(db, trait, people)
                details = {"file": file.name, "traits": sorted(found)}
                await audit.append(
                    db, SystemClock(), actor=caller(), action="usage.traits", subject="members", details=details
                )

    with refusals(texts):
        content = _read(file)
        run(work())
    console.print(texts("usage_file.dry_run" if dry_run else "usage_file.traits_done"))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(both("bot", "document.unreadable", name=shown(file), reason=reason(error))) from error
