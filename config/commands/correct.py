"""`kairanban broadcast correct`: a correction from a terminal, with files if wanted, by the rules of `/訂正`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.attachments import Shelf
from bot.clock import to_tokyo
from bot.texts import Texts
from broadcasts import show
from broadcasts.corrections import Correction
from config import screen
from config.commands.place import Folder, SettingsFile, Yes, catalogue, chosen, opened, refusals
from config.commands.send import author_of, service
from config.loops import run
from config.settings import Settings

console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to correct; `by` is the staff number of the member whose rights hold."""

    number: int
    text: str
    by: str
    files: tuple[Path, ...]
    without_original_files: bool


def correct(
    number: Annotated[int, typer.Argument(metavar="ID", help="連絡の番号 / the notice's number", min=1, max=2**31)],
    text: Annotated[str, typer.Argument(help="新しい本文 / the new text")],
    by: Annotated[str, typer.Option("--by", help="訂正する人の職員番号 / whose correction it is, by code")],
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", help="添付ファイル（10件まで、合わせて200MB） / files")
    ] = None,
    without_original_files: Annotated[
        bool,
        typer.Option(
            "--without-original-files",
            help="元の連絡のファイルをリマインドに添えない / reminders no longer carry the notice's files",
        ),
    ] = False,
    yes: Yes = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Preview, confirm, queue; a running bot sends it."""
    place = chosen(settings, folder)
    wish = Wish(number, text, by, tuple(attach or ()), without_original_files)
    run(_correct(place, catalogue(place), wish, yes=yes))


async def _correct(settings: Settings, texts: Texts, wish: Wish, *, yes: bool) -> None:
    async with opened(settings) as database:
        with refusals(texts):
            broadcasts = service(settings, database, texts)
            author = await author_of(database, texts, wish.by)
            shelf = Shelf(settings.storage.attachment_folder)
            files = tuple([await shelf.keep(file) for file in wish.files])
            async with database.transaction() as db:
                notice = await broadcasts.notice(db, wish.number)
                drafted = await broadcasts.corrections.draft(db, notice, author, wish.text, files)
                if wish.without_original_files:
                    drafted = await broadcasts.corrections.take_out(db, drafted.id, author, kept=True)
            for page in show.correction(texts, drafted, broadcasts.text_length):
                console.print(page)
            if not (yes or typer.confirm(texts("send.confirm"))):
                console.print(texts("recall.kept", id=wish.number))
                return
            async with database.transaction() as db:
                sent = await broadcasts.corrections.send(db, drafted.id, author)
        console.print(_said(texts, sent))


def _said(texts: Texts, sent: Correction) -> str:
    if sent.number is None:
        return texts("correction.already", id=sent.broadcast_id)
    held = f"{to_tokyo(sent.held_until):%Y-%m-%d %H:%M}" if sent.held_until is not None else ""
    outcome = "correction.held" if held else "correction.sent"
    said = texts(outcome, id=sent.broadcast_id, recipients=sent.recipients, read=sent.read, time=held)
    return f"{said}\n{texts('send.by_the_bot')}"
