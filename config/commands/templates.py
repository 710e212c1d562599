"""`kairanban broadcast template`: the notices that are prepared, and whether they can be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import KairanbanError, Refused
from bot.texts import Texts
from broadcasts.naming import named
from broadcasts.templates import Template, TemplateError, load_templates
from config import screen
from config.commands import fill as filling
from config.commands.place import Folder, SettingsFile, catalogue, chosen, opened
from config.loops import run
from config.settings import Settings

app = typer.Typer(no_args_is_help=True, help="定型の連絡を見る・確かめる・送る / see, check and send templates")
app.command("send", help="定型の連絡を送る・予約する。--attach で添付 / send one, with files")(filling.fill)
console = Console(highlight=False, soft_wrap=True, markup=False, width=screen.width())


@app.command("list", help="定型の連絡の一覧 / every template")
def listing(settings: SettingsFile = None) -> None:
    """Emergencies first."""
    place = Settings.load(settings)
    texts = catalogue(place)
    table = Table(*(texts(f"template.{name}") for name in ("key", "name")), texts("notices.kind"), box=None)
    table.add_column(texts("template.about"))
    for template in load_templates(place.broadcasts.templates).values():
        table.add_row(template.key, template.name, texts(f"kind.{template.kind}"), template.about)
    console.print(table)


@app.command("show", help="定型の連絡を1つ見る / one template")
def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="list の名前 / as list names it")],
    settings: SettingsFile = None,
) -> None:
    """Its text, and what it asks for."""
    place = Settings.load(settings)
    texts = catalogue(place)
    template = load_templates(place.broadcasts.templates).get(key)
    if template is None:
        raise KairanbanError(texts("template.no_such", key=key))
    console.print("\n".join(_head(texts, template)))
    columns = ("field_key", "field_label", "field_kind", "field_required", "field_default")
    table = Table(*(texts(f"template.{name}") for name in columns), box=None)
    for field in template.fields:
        required = texts("template.yes") if field.required else ""
        table.add_row(f"{{{field.name}}}", field.label, field.kind, required, Text(field.default))
    console.print(table)


def _head(texts: Texts, template: Template) -> Iterator[str]:
    yield f"{template.name} ({texts(f'kind.{template.kind}')}) {template.about}"
    names = " ".join([f"@{name}" for name in template.audience] + [f"-@{name}" for name in template.without])
    yield texts("template.audience", names=names) if names else texts("template.audience_asked")
    if template.asks is not None:
        yield texts("template.asks", asks=" / ".join((template.asks, *template.choices)))
    yield from ("", template.text, "", texts("template.fields"))


@app.command("check", help="定型の連絡に直すところがないか / is anything to mend in the templates")
def check(
    templates: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="定型のフォルダー / the folder; default: the settings'")
    ] = None,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Every file, and, where the bot's database is there, whether its audiences exist. Exit code 2 for a fault."""
    place = chosen(settings, folder)
    texts = catalogue(place)
    found = load_templates(templates or place.broadcasts.templates)
    if place.storage.database or (place.storage.folder / "kairanban.sqlite3").exists():
        run(_check_audiences(place, texts, found.values()))
    console.print(texts("template.checked", count=len(found)))


async def _check_audiences(place: Settings, texts: Texts, found: Iterable[Template]) -> None:
    async with opened(place) as database, database.snapshot() as db:
        faults = [fault for template in found if (fault := await _unknown(db, texts, template))]
    if faults:
        raise TemplateError("\n".join(faults))


async def _unknown(db: AsyncConnection, texts: Texts, template: Template) -> str:
    try:
        await named(db, template.audience, template.without)
    except Refused as refusal:
        reason = texts(refusal.key, **refusal.values)
        return texts("template.audience_unknown", file=f"{template.key}.toml", reason=reason)
    return ""
