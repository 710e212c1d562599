"""`kairanban broadcast template send`: a template filled in from a terminal, then a notice like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from bot.clock import Clock, SystemClock
from bot.directory import Member
from bot.errors import ConfigurationError, KairanbanError
from bot.texts import Texts
from broadcasts.templates import Sender, Template, load_templates
from config.commands.place import Folder, SettingsFile, Yes, catalogue, chosen, opened, refusals
from config.commands.send import Again, Wish, author_of, carry_out, moment
from config.loops import run
from config.settings import Settings


def fill(
    key: Annotated[str, typer.Argument(metavar="KEY", help="list の名前 / as list names it")],
    by: Annotated[str, typer.Option("--by", help="送る人の職員番号。その人の権限で送る / whose notice it is, by code")],
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="変数=値", help="何度でも / VARIABLE=VALUE, each of them")
    ] = None,
    drill: Annotated[bool, typer.Option("--drill", help="訓練として送る / as a drill")] = False,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="宛先（何度でも）。なければ定型のとおり / default: its own"),
    ] = None,
    without: Annotated[list[str] | None, typer.Option("--without", help="除く宛先 / but not to")] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", help="添付ファイル（10件まで、合わせて200MB） / files")
    ] = None,
    when: Annotated[
        str, typer.Option("--when", help="送る日時。send と同じ / when, as with send", show_default=False)
    ] = "",
    again: Again = False,
    yes: Yes = False,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Variables that are left out take their default; one that must be there and is not is named."""
    place = chosen(settings, folder)
    texts = catalogue(place)
    template = load_templates(place.broadcasts.templates).get(key)
    if template is None:
        raise KairanbanError(texts("template.no_such", key=key))
    given = _pairs(texts, template, values or ())
    included, excluded = tuple(to or ()), tuple(without or ())
    if not included and not excluded:
        included, excluded = template.audience, template.without
    if not included:
        raise ConfigurationError(texts("template.to_whom"))
    author = run(_author(place, texts, by))
    with refusals(Texts("broadcasts.templates", language=texts.language)):
        filled = _read(template, given, author, SystemClock())
        text, question = template.fill(filled), template.question(filled)
    kind = "drill" if drill else template.kind
    wish = Wish(text, by, kind, included, excluded, tuple(attach or ()), moment(texts, when), again, question=question)
    run(carry_out(place, texts, wish, yes=yes))


def _pairs(texts: Texts, template: Template, values: Sequence[str]) -> dict[str, str]:
    """`area=川原町` taken apart. Raises `ConfigurationError` for what is no variable of the template."""
    pairs = dict(value.partition("=")[::2] for value in values)
    known = [field.name for field in template.fields]
    if unknown := [name for name in pairs if name not in known]:
        raise ConfigurationError(texts("template.no_field", name=unknown[0], names=", ".join(known)))
    return pairs


def _read(template: Template, given: Mapping[str, str], author: Member, clock: Clock) -> dict[str, str]:
    """Every variable as its kind reads it; `name=` leaves it empty. Raises `Refused` for a value that it cannot be."""
    now = clock.now()
    sender = Sender(author.name, author.department, now)
    found = {}
    for field in template.fields:
        words = given.get(field.name)
        if words is None:
            found[field.name] = field.suggestion(sender)
        else:
            found[field.name] = field.read(words, now) if words.strip() else ""
    return found


async def _author(settings: Settings, texts: Texts, code: str) -> Member:
    async with opened(settings) as database:
        return await author_of(database, texts, code)
