"""`kairanban trial`: rehearse six months of business chat and leave a report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bot.bilingual import both, reason, shown
from bot.errors import ConfigurationError
from bot.texts import Texts
from config import logs
from config.commands import evaluate, trial_imports
from config.loops import run
from config.rehearsal import Outcome, Plan, Theatre, on_the_chat_service, rehearse
from config.stage_matrix import on_matrix
from trial.parameters import Parameters, load_parameters
from trial.population import LARGEST_STAFF
from trial.report.page import render
from trial.report.terminal import print_summary


class Platform(StrEnum):
    """Where the trial can be rehearsed."""

    LOGOCHAT = "logochat"
    MATRIX = "matrix"


THEATRES: Mapping[Platform, Theatre] = {Platform.LOGOCHAT: on_the_chat_service, Platform.MATRIX: on_matrix}

app = typer.Typer(
    help="6か月の試行を予行し、評価します / rehearse the six-month trial and evaluate it", invoke_without_command=True
)
app.command("evaluate", help="試行の記録から評価の資料を作ります / the evaluation of a trial, rehearsed or real")(
    evaluate.evaluate
)

app.command(
    "import-counts",
    help="チャットサービスの数（列：日付、利用者、ルーム、メッセージ、ファイル、使った人…。その日の終わりまでの合計）を"
    "取り込みます / import the chat service's own counts, totals at the end of each day",
)(trial_imports.import_counts)
app.command(
    "import-traits",
    help="職員の区分（列：職員番号、年代、機器の操作、雇用形態、使う端末）を取り込みます / import groups of staff",
)(trial_imports.import_traits)


@app.callback()
def trial(
    context: typer.Context,
    staff: Annotated[int, typer.Option(min=4, max=LARGEST_STAFF, help="職員数 / how many staff")] = 225,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="初日 / the first day")] = datetime(2023, 7, 1),  # noqa: DTZ001 - a day
    months: Annotated[int, typer.Option(min=1, max=24, help="月数 / how many months")] = 6,
    seed: Annotated[int, typer.Option(help="乱数の種。同じ種なら同じ結果 / same seed, same trial")] = 1,
    platform: Annotated[
        Platform,
        typer.Option(help="予行の場 (matrix は本物の Synapse) / where it plays; matrix: a real Synapse"),
    ] = Platform.LOGOCHAT,
    out: Annotated[Path, typer.Option(help="報告書を置く場所 / where the report goes")] = Path("out"),
    parameters: Annotated[
        Path, typer.Option(help="予行の設定 / how the simulated people behave")
    ] = evaluate.PARAMETERS,
    criteria: Annotated[Path, typer.Option(help="評価の判定基準 / criteria of the evaluation")] = evaluate.CRITERIA,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="記録を見せる / show the log")] = False,
) -> None:
    """Rehearse, print the summary, write report and evaluation into `out`, and keep the bot's database there."""
    if context.invoked_subcommand is not None:
        return
    logs.configure(verbose=verbose)
    if not verbose:
        logging.getLogger().setLevel(logging.ERROR)  # what people are refused is in the summary
    chosen = load_parameters(parameters)
    agreement, prices = evaluate.load(criteria, parameters)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(both("config", "command.unwritable", file=shown(out), reason=reason(error))) from error
    console = Console()
    outcome = _with_progress(Plan(staff, start.date(), months, seed), chosen, console, out, THEATRES[platform])
    (out / "report.json").write_bytes(outcome.report.as_json())
    (out / "report.html").write_text(render(outcome.report), encoding="utf-8")
    print_summary(outcome.report, console, Texts("trial"), outcome.problems)
    console.print(f"\n報告書 / the report: [bold]{out / 'report.html'}[/]  {out / 'report.json'}", highlight=False)
    evaluate.present(run(evaluate.evaluated(evaluate.kept(out), agreement, prices)), out, console)


def _with_progress(plan: Plan, parameters: Parameters, console: Console, out: Path, theatre: Theatre) -> Outcome:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("日 / days"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task(f"職員{plan.staff}人・{plan.months}か月の予行 / rehearsing", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return run(rehearse(plan, parameters, progress, keep_in=out, theatre=theatre))
