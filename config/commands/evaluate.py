"""`kairanban trial evaluate`: from the trial's database to the paper that asks for the budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.engine import make_url

from bot.bilingual import both, reason, shown
from bot.errors import ConfigurationError
from bot.storage import Database
from bot.texts import Texts
from config.commands.check import SettingsFile
from config.evaluation import gather
from config.loops import run
from config.records import KEPT
from config.settings import DEFAULT_FILE, Settings, Storage
from trial.evaluation import page, paper, workbook
from trial.evaluation.criteria import Agreement, load_agreement
from trial.evaluation.paper import Paper
from trial.evaluation.terminal import print_judgement
from trial.parameters import Cost, load_parameters

TRIAL = Path(__file__).parent.parent / "trial"
PARAMETERS = TRIAL / "default.toml"
CRITERIA = TRIAL / "criteria.toml"
OUT = Path("out")


def evaluate(
    settings: SettingsFile = None,
    folder: Annotated[
        Path | None, typer.Option(help="データベースのあるフォルダー / the folder of the database", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="置く場所。省くと --folder か out / where it goes", show_default=False)
    ] = None,
    criteria: Annotated[Path, typer.Option(help="判定基準と推計の前提 / criteria and assumptions")] = CRITERIA,
    parameters: Annotated[Path, typer.Option(help="料金表 [cost] のある設定 / where the prices stand")] = PARAMETERS,
) -> None:
    """Write evaluation.html, evaluation.xlsx and evaluation.json, and print the judgement.

    The database is that of `--settings` or the one in `--folder`; with neither, that of ./kairanban.toml, or, where
    there is none, what the last rehearsal left in `out`.
    """
    if settings is not None and folder is not None:
        raise ConfigurationError(both("config", "command.one_place"))
    if folder is None and settings is None and not DEFAULT_FILE.exists():
        folder = OUT
    agreement, prices = load(criteria, parameters)
    storage = Settings.load(settings).storage if folder is None else kept(folder)
    found = run(evaluated(storage, agreement, prices))
    present(found, out or folder or OUT, Console())


def load(criteria: Path, parameters: Path) -> tuple[Agreement, Cost]:
    """The criteria and the price table; ConfigurationError names what to mend."""
    return load_agreement(criteria), load_parameters(parameters).cost


def kept(folder: Path) -> Storage:
    """Where a rehearsal or a demo keeps things: `trial.sqlite3`, or else the running bot's own database."""
    storage = Storage(folder=folder)
    rehearsed = folder / KEPT
    if rehearsed.exists():
        return Storage(folder=folder, database=f"sqlite+aiosqlite:///{rehearsed}")
    return storage


async def evaluated(storage: Storage, agreement: Agreement, prices: Cost) -> Paper:
    """The paper of one database; nothing in the database changes."""
    url = make_url(storage.database_url)
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
        # SQLite would make an empty one.
        raise ConfigurationError(both("config", "command.no_database", file=url.database))
    database = Database.open(storage.database_url)
    try:
        facts = await gather(database, storage.key_folder, agreement.period)
    finally:
        await database.close()
    return paper.write(
        facts,
        agreement,
        prices.table(),
        tax_percent=prices.tax_percent,
        reading=prices.reading,
        texts=Texts("trial.evaluation"),
    )


def present(found: Paper, out: Path, console: Console) -> None:
    """Write the three files into `out` and print the judgement."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.html").write_text(page.render(found), encoding="utf-8")
        (out / "evaluation.xlsx").write_bytes(workbook.to_xlsx(found))
        (out / "evaluation.json").write_bytes(found.as_json())
    except OSError as error:
        raise ConfigurationError(both("config", "command.unwritable", file=shown(out), reason=reason(error))) from error
    print_judgement(found, console)
    names = "  ".join(str(out / f"evaluation.{kind}") for kind in ("html", "xlsx", "json"))
    console.print(f"\n評価 / the evaluation: [bold]{names}[/]", highlight=False, soft_wrap=True)
