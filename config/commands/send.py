"""`kairanban broadcast send`: a notice from a terminal, with files if wanted, by the rules that hold in the chat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from bot import directory, recurrence
from bot.activity import Activity
from bot.adapters.mail import Mail
from bot.attachments import Shelf
from bot.clock import SystemClock, to_tokyo
from bot.dates import UnreadableDate
from bot.directory import Member
from bot.errors import ConfigurationError, KairanbanError
from bot.outbox import Outbox
from bot.recurrence import Rule
from bot.storage import Database
from bot.texts import Texts
from broadcasts import show, validation
from broadcasts.escalation import Escalation
from broadcasts.kinds import Kind
from broadcasts.naming import named
from broadcasts.preview import Preview
from broadcasts.questions import Question
from broadcasts.repetition import Repetition
from broadcasts.service import Broadcasts, Confirmation
from config import screen
from config.commands.place import Folder, SettingsFile, Yes, catalogue, chosen, opened, refusals
from config.house import adapters_from, broadcast_settings
from config.loops import run
from config.settings import Settings
from handlers import wishes
from handlers.doubts import doubt

console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())


Again = Annotated[
    bool, typer.Option("--again", help="同じ連絡を10分以内に送っていても送る / even if the same was just sent")
]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to send; `by` is the staff number of the member whose rights hold."""

    text: str
    by: str
    kind: Kind
    included: tuple[str, ...]
    excluded: tuple[str, ...]
    files: tuple[Path, ...]
    when: Rule | None = None
    again: bool = False
    """It is meant, even if the same was just sent to the same people."""
    kind_given: bool = True
    typed: bool = False
    """Somebody wrote the text just now: what looks like a kind or an audience in it is asked about."""
    question: Question | None = None


def send(
    text: Annotated[str, typer.Argument(help="本文 / the text")],
    by: Annotated[str, typer.Option("--by", help="送る人の職員番号。その人の権限で送る / whose notice it is, by code")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind", help="notice, emergency, drill（なければ notice / default: notice）", show_default=False
        ),
    ] = "",
    to: Annotated[
        list[str] | None, typer.Option("--to", help="宛先（何度でも）。なければ全職員 / to whom; default: all staff")
    ] = None,
    without: Annotated[list[str] | None, typer.Option("--without", help="除く宛先 / but not to")] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", help="添付ファイル（10件まで、合わせて200MB） / files")
    ] = None,
    when: Annotated[
        str,
        typer.Option(
            "--when",
            help="送る日時。例 / when, such as: 明日9時, 12月24日 9:00, 毎週月曜 09:00 翌開庁日",
            show_default=False,
        ),
    ] = "",
    again: Again = False,
    yes: Yes = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Preview, confirm, queue; a running bot sends it. Who needs an approval in the chat needs one here."""
    if kind and kind not in get_args(Kind):
        kinds = ", ".join(get_args(Kind))
        raise ConfigurationError(f"--kind は {kinds} のどれかにしてください。 / --kind is one of {kinds}.")
    place = chosen(settings, folder)
    texts = catalogue(place)
    wish = Wish(
        text,
        by,
        cast("Kind", kind or "notice"),
        tuple(to or ()),
        tuple(without or ()),
        tuple(attach or ()),
        moment(texts, when),
        again,
        kind_given=bool(kind),
        typed=True,
    )
    run(carry_out(place, texts, wish, yes=yes))


def moment(texts: Texts, when: str) -> Rule | None:
    """When it goes out; None for at once. Raises `ConfigurationError` for words that say no such thing."""
    if not when:
        return None
    try:
        rule, rest = recurrence.read(when, SystemClock().now())
    except UnreadableDate as unreadable:
        raise ConfigurationError(texts(unreadable.key, **unreadable.values)) from None
    if rest:
        raise ConfigurationError(texts("send.bad_when", when=when, rest=rest))
    return rule


async def carry_out(settings: Settings, texts: Texts, wish: Wish, *, yes: bool) -> None:
    """Preview, confirm, queue."""
    async with opened(settings) as database:
        with refusals(texts):
            broadcasts = service(settings, database, texts)
            author = await author_of(database, texts, wish.by)
            if wish.typed:
                wish = await _without_doubts(database, texts, wish, yes=yes)
            number, seen = await _draft(settings, database, broadcasts, author, wish)
            for page in show.preview(texts, seen, broadcasts.text_length, hint=""):
                console.print(page)
            if odd := [texts(each.key, found=each.found) for each in validation.warnings(wish.text)]:
                console.print("\n".join(odd))
            repeats = await _repeated(database, broadcasts, number)
            if repeats is not None:
                console.print(show.repeated(texts, repeats))
            doubled = yes and not wish.again and repeats is not None
            agreed = not doubled and (yes or typer.confirm(texts("send.confirm")))
            async with database.transaction() as db:
                if agreed:
                    known = 0 if repeats is None else repeats.id
                    # With --again whatever was sent while somebody read the preview is meant as well.
                    known = number if wish.again else known
                    done = await broadcasts.confirm(db, number, author, seen.fingerprint, warned=True, repeats=known)
                    said = _said(texts, number, done)
                    doubled = done.outcome == "warned"
                if doubled or not agreed:
                    await broadcasts.cancel(db, number, author)
                    said = texts("broadcast.cancelled", id=number)
        if doubled:
            raise KairanbanError(texts("send.repeated", id=number))
        console.print(said)


async def _without_doubts(database: Database, texts: Texts, wish: Wish, *, yes: bool) -> Wish:
    """Ask what 緊急 or 福祉部 at the beginning of the text means, where no option says it.

    With `yes` nobody can be asked: raises `KairanbanError`.
    """
    meant = wishes.Wish(wish.kind, wish.included, wish.excluded, wish.text, wish.question, wish.kind_given)
    said = {"kind": wish.kind_given, "audience": bool(wish.included or wish.excluded), "question": yes}
    settled = frozenset(about for about, given in said.items() if given)
    while True:
        async with database.snapshot() as db:
            found = await doubt(db, meant, settled)
        if found is None:
            return replace(
                wish,
                text=meant.text,
                kind=meant.kind,
                included=meant.included,
                excluded=meant.excluded,
                question=meant.question,
            )
        question = texts(f"doubt.{found.about}", word=found.word)
        if yes:
            raise KairanbanError(f"{question}\n{texts('send.doubt')}")
        console.print(question)
        for place, each in enumerate(found.readings, start=1):
            console.print(f"  {place}  {texts(each.key, names=each.names)}")
        number = 0
        while not 1 <= number <= len(found.readings):
            number = typer.prompt(texts("send.which"), type=int)
        meant, settled = found.readings[number - 1].wish, settled | {found.about}


async def _repeated(database: Database, broadcasts: Broadcasts, number: int) -> Repetition | None:
    async with database.snapshot() as db:
        return await broadcasts.repeated(db, number)


def service(settings: Settings, database: Database, texts: Texts) -> Broadcasts:
    """The service without its loops: what it queues is for the running bot to send."""
    clock, activity = SystemClock(), Activity()
    adapters = {each.name: each for each in adapters_from(settings, clock) if not isinstance(each, Mail)}
    if not adapters:
        raise ConfigurationError(texts("send.no_platform"))
    outbox = Outbox(database, adapters, clock, activity)
    broadcasts = Broadcasts(database, outbox, adapters, clock, activity, texts, broadcast_settings(settings))
    ladders = settings.escalation.ladders()
    broadcasts.on_release(Escalation(database, outbox, adapters, clock, activity, texts, ladders).plan)
    return broadcasts


async def author_of(database: Database, texts: Texts, code: str) -> Member:
    """The member with a staff number. Raises `KairanbanError` if there is none."""
    async with database.snapshot() as db:
        author = await directory.member_by_code(db, code)
    if author is None:
        raise KairanbanError(texts("send.no_author", code=code))
    return author


async def _draft(
    settings: Settings, database: Database, broadcasts: Broadcasts, author: Member, wish: Wish
) -> tuple[int, Preview]:
    shelf = Shelf(settings.storage.attachment_folder)
    files = tuple([await shelf.keep(file) for file in wish.files])
    async with database.transaction() as db:
        audience = await named(db, wish.included, wish.excluded)
        number = await broadcasts.draft(
            db, author, wish.text, kind=wish.kind, audience=audience, question=wish.question, attachments=files
        )
        if wish.when is not None:
            await broadcasts.schedules.plan(db, number, wish.when)
        return number, await broadcasts.preview(db, number)


def _said(texts: Texts, number: int, done: Confirmation) -> str:
    if done.outcome == "requested":
        assert done.until is not None
        return texts("approval.requested", id=number, asked=done.asked, until=show.moment(done.until))
    if done.outcome == "scheduled":
        assert done.held_until is not None
        time = recurrence.shown(done.held_until, texts.language)
        return texts("schedule.planned", id=number, recipients=done.recipients, time=time)
    if done.outcome != "sent":
        return texts("broadcast.preview_changed")
    lines = [texts("broadcast.sent", id=number, recipients=done.recipients)]
    if done.held_until is not None:
        lines.append(texts("quiet.sent", id=number, time=f"{to_tokyo(done.held_until):%Y-%m-%d %H:%M}"))
    return "\n".join([*lines, texts("send.by_the_bot")])
