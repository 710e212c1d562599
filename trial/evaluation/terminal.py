"""The judgement as a short table in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trial.evaluation import wording
from trial.evaluation.paper import Paper

STYLES = {"met": "green", "missed": "red", "unknown": "yellow"}


def print_judgement(paper: Paper, console: Console) -> None:
    """Every criterion with its figure, its bar and the verdict, and what the figures are made of."""
    texts = paper.texts
    table = Table(title=texts("criteria"), box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("criterion", "value", "bar", "verdict"):
        table.add_column(texts(f"judged.{name}"), justify="right" if name in {"value", "bar"} else "left")
    for each in paper.judgements:
        table.add_row(
            Text(each.criterion.name),
            wording.figure(each.figure, texts),
            wording.bar(each.criterion, texts),
            Text(texts(f"verdict.{each.verdict}"), style=STYLES[each.verdict]),
        )
    console.print(table)
    console.print(Text(texts("verdict_line", **paper.verdicts())))
    if paper.simulated:
        console.print(Text(paper.notice, style="yellow"))
