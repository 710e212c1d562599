"""`kairanban roster addresses` and `roster retry`: who is not reached where, since when and why, and another try.

Both work beside a running bot: it reads the directory anew for every notice, and what it has queued stays as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import unreachable
from bot.clock import SystemClock, to_tokyo
from bot.errors import KairanbanError
from bot.roster.model import folded
from bot.texts import Texts
from bot.unreachable import Standing
from config import screen
from config.commands.place import Folder, SettingsFile, Yes, caller, catalogue, chosen, opened
from config.loops import run
from config.settings import Settings

console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())


def addresses(
    gone: Annotated[bool, typer.Option("--gone", help="届かないものだけ / only those that are not reached")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で / as JSON")] = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """By staff number, each person's in the order in which they are tried."""
    place = chosen(settings, folder)
    run(_addresses(place, catalogue(place), gone=gone, as_json=as_json))


async def _addresses(settings: Settings, texts: Texts, *, gone: bool, as_json: bool) -> None:
    async with opened(settings) as database, database.snapshot() as db:
        everything = await unreachable.standings(db)
    put_aside = [each for each in everything if not each.reachable]
    shown = put_aside if gone else everything
    if as_json:
        # Not through the console: it would break long lines where it thinks the screen ends.
        sys.stdout.write(json.dumps([_described(each) for each in shown], ensure_ascii=False) + "\n")
        return
    if shown:
        console.print(_table(texts, shown, "others" if gone else "state"))
    if not put_aside:
        console.print(texts("address.none_gone" if everything else "address.none"))
        return
    lost = {each.code for each in put_aside if not each.others}
    console.print(texts("address.gone", count=len(put_aside), lost=len(lost)))


def retry(
    codes: Annotated[list[str] | None, typer.Argument(metavar="職員番号...", help="staff numbers")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="届かない宛先のすべて / all that are not reached")] = False,
    adapter: Annotated[
        str | None, typer.Option("--on", help="この接続先だけ (例: line) / only this platform's", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="見せるだけ / only show them")] = False,
    yes: Yes = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Nothing is changed before it has been shown and confirmed; what is, stands in the audit."""
    place = chosen(settings, folder)
    texts = catalogue(place)
    if bool(codes) == everybody:
        raise KairanbanError(texts("address.whose"))
    wanted = None if everybody else [folded(code) for code in codes or ()]
    run(_retry(place, texts, wanted, adapter, dry_run=dry_run, yes=yes))


async def _retry(
    settings: Settings, texts: Texts, codes: Sequence[str] | None, adapter: str | None, *, dry_run: bool, yes: bool
) -> None:
    async with opened(settings) as database:
        async with database.snapshot() as db:
            everything = await unreachable.standings(db)
        picked = _picked(texts, everything, codes, adapter)
        console.print(_table(texts, picked, "others"))
        console.print(texts("address.will_try", count=len(picked)))
        if dry_run:
            return
        if not yes:
            typer.confirm(texts("address.confirm"), abort=True)
        async with database.transaction() as db:
            again = await unreachable.try_again(db, SystemClock(), picked, by=caller())
    console.print(texts("address.tried", count=len(again)))


def _picked(
    texts: Texts, everything: Sequence[Standing], codes: Sequence[str] | None, adapter: str | None
) -> list[Standing]:
    """The addresses that are meant; an error names everybody who has none to try again."""
    there = {folded(each.code) for each in everything}
    found = [
        each
        for each in everything
        if not each.reachable
        and (codes is None or folded(each.code) in codes)
        and (adapter is None or each.adapter == adapter)
    ]
    named = dict.fromkeys(codes or ())
    if strangers := [code for code in named if code not in there]:
        raise KairanbanError(texts("address.no_such", codes=texts("address.and").join(strangers)))
    fine = [code for code in named if code not in {folded(each.code) for each in found}]
    if fine:
        raise KairanbanError(texts("address.fine", codes=texts("address.and").join(fine)))
    if not found:
        raise KairanbanError(texts("address.none_to_try"))
    return found


def _table(texts: Texts, shown: Sequence[Standing], last: str) -> Table:
    names = ("code", "name", "department", "adapter", "address", "since", "reason", last)
    table = Table(*(texts(f"address.column.{name}") for name in names))
    for each in shown:
        since = "" if each.since is None else f"{to_tokyo(each.since):%Y-%m-%d %H:%M}"
        others = texts("address.and").join(each.others) or texts("address.nowhere")
        state = texts("address.used" if each.reachable else "address.unused")
        table.add_row(
            each.code,
            each.name,
            each.department,
            each.adapter,
            Text(each.address),
            since,
            Text(_reason(texts, each)),
            others if last == "others" else state,
        )
    return table


def _reason(texts: Texts, each: Standing) -> str:
    if each.reachable:
        return ""
    if each.reason is None:
        return texts("address.unknown")
    return texts("address.left") if each.reason == unreachable.LEFT else each.reason


def _described(each: Standing) -> dict[str, object]:
    return {
        "code": each.code,
        "name": each.name,
        "department": each.department,
        "adapter": each.adapter,
        "address": each.address,
        "reachable": each.reachable,
        "since": None if each.since is None else each.since.isoformat(),
        "reason": each.reason,
        "others": list(each.others),
    }
