"""`kairanban survey months KEY`: the same questionnaire month by month."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.texts import Texts
from config.commands.papers import Code, Format, Out, write
from config.commands.place import Folder, SettingsFile, chosen, opened
from config.loops import run
from surveys.exports.trends import trends_paper
from surveys.months import Comparison, compare, plain
from surveys.vault import Vault


def months(
    key: Annotated[str, typer.Argument(metavar="KEY", help="定義の名前 / the definition's key")],
    question: Annotated[
        str | None, typer.Option(help="一つの質問だけ / one question alone", show_default=False)
    ] = None,
    format: Annotated[Format, typer.Option(help="形式 / form")] = Format.TABLE,
    out: Out = None,
    encoding: Annotated[Code, typer.Option(help="CSVの文字コード / encoding of a CSV")] = Code.UTF8,
    settings: SettingsFile = None,
    folder: Folder = None,
) -> None:
    """Print a questionnaire's shares month by month, the change in points, and whether chance explains it."""
    house = chosen(settings, folder)
    texts = Texts("surveys", language=house.language)

    async def work() -> Comparison:
        async with opened(house) as database, database.snapshot() as db:
            return await compare(db, Vault(house.storage.key_folder), key, question)

    compared = run(work())
    write(trends_paper(compared, texts), plain(compared), format, out, encoding.codec, texts)
