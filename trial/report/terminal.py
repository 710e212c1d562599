"""The summary that a rehearsal leaves in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.texts import Texts
from trial.calendar import months_later
from trial.report.figures import share
from trial.report.model import Broadcast, Report
from trial.report.page import percent, yen


def summary(report: Report, texts: Texts, problems: Mapping[str, int]) -> Group:
    """What to print; `problems` maps what the service refused during the run to how often."""
    parts: list[RenderableType] = [
        Panel(Text(report.notice), title=texts("terminal.title"), style="yellow", box=box.ROUNDED),
        _overview(report, texts),
        _broadcasts(report, texts),
        *_answers(report, texts),
        _surveys(report, texts),
        _adoption(report, texts),
        Text("\n".join([texts("terminal.cost"), *_cost(report, texts)])),
    ]
    if problems:
        lines = [texts("terminal.problem", count=count, what=what) for what, count in sorted(problems.items())]
        parts.append(Panel(Text("\n".join(lines)), title=texts("terminal.problems"), style="red"))
    return Group(*parts)


def print_summary(report: Report, console: Console, texts: Texts, problems: Mapping[str, int] | None = None) -> None:
    """Print the summary in the language of `texts`, a catalogue that includes the package `trial`."""
    console.print(summary(report, texts, problems or {}))


def _overview(report: Report, texts: Texts) -> Table:
    last = months_later(report.start, report.months) - timedelta(days=1)
    table = Table.grid(padding=(0, 2))
    standing = [broadcast for broadcast in report.broadcasts if not broadcast.recalled]
    recipients = sum(broadcast.recipients for broadcast in standing)
    for key, value in (
        ("staff", f"{report.staff:,}"),
        ("period", f"{report.start} – {last}"),
        ("days", str(report.virtual_days)),
        ("seconds", f"{report.wall_seconds:.1f} s"),
        ("events", f"{report.events_in:,}"),
        ("messages", f"{report.messages_out:,}"),
        ("rooms", f"{report.rooms.count:,} ({report.rooms.largest:,})"),
        ("delivered", f"{sum(broadcast.delivered for broadcast in standing):,} / {recipients:,}"),
        ("duplicates", f"{sum(broadcast.duplicates for broadcast in report.broadcasts):,}"),
    ):
        table.add_row(texts(f"terminal.{key}"), value)
    return table


def _broadcasts(report: Report, texts: Texts) -> Table:
    table = Table(title=texts("terminal.broadcasts"), box=box.SIMPLE_HEAD, title_justify="left")
    for key in ("sent", "kind", "what", "recipients", "hour", "read"):
        numeric = key in {"recipients", "hour", "read"}
        table.add_column(texts(f"terminal.{key}"), justify="right" if numeric else "left", no_wrap=key != "what")
    for broadcast in report.broadcasts:
        kind = f"kind.{broadcast.kind}"
        table.add_row(
            f"{broadcast.sent_at:%m-%d %H:%M}",
            texts(kind) if kind in texts else broadcast.kind,
            Text(_title(broadcast, texts), overflow="ellipsis", no_wrap=True),
            f"{broadcast.recipients:,}",
            percent(share(broadcast.read_within.one_hour, broadcast.recipients)),
            percent(share(broadcast.read, broadcast.recipients)),
        )
    return table


def _title(broadcast: Broadcast, texts: Texts) -> str:
    """With a mark where it was recalled or corrected."""
    marks = [texts("terminal.recalled", read=broadcast.read_before_recall)] if broadcast.recalled else []
    marks += [texts("terminal.corrected")] if broadcast.corrections else []
    return "".join([*marks, broadcast.title])


def _answers(report: Report, texts: Texts) -> list[Table]:
    """What notices asked and people answered, drills marked as such; nothing where none asked."""
    asking = [broadcast for broadcast in report.broadcasts if broadcast.answers is not None]
    if not asking:
        return []
    table = Table(title=texts("terminal.answers"), box=box.SIMPLE_HEAD, title_justify="left")
    for key in ("sent", "kind", "question", "respondents", "latest", "changed"):
        table.add_column(texts(f"terminal.{key}"), justify="right" if key in {"respondents", "changed"} else "left")
    for broadcast in asking:
        answers = broadcast.answers
        assert answers is not None
        table.add_row(
            f"{broadcast.sent_at:%m-%d %H:%M}",
            texts(f"kind.{broadcast.kind}"),
            texts(f"asks.{answers.asks}"),
            f"{answers.answered:,} / {broadcast.recipients:,}",
            "\n".join(f"{row.label} {row.latest:,}" for row in answers.rows),
            f"{answers.changed:,}",
        )
    return [table]


def _surveys(report: Report, texts: Texts) -> Table:
    table = Table(title=texts("terminal.surveys"), box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column(texts("terminal.what"))
    for key in ("asked", "respondents"):
        table.add_column(texts(f"terminal.{key}"), justify="right")
    for survey in report.surveys:
        table.add_row(Text(survey.title), f"{survey.asked:,}", f"{survey.respondents:,}")
    return table


def _adoption(report: Report, texts: Texts) -> Table:
    table = Table(title=Text(texts("terminal.adoption"), no_wrap=True), box=box.SIMPLE_HEAD, title_justify="left")
    table.min_width = 40
    for month in report.adoption.monthly_active:
        table.add_column(month.month, justify="right")
    table.add_row(*(f"{month.users:,} ({percent(month.share)})" for month in report.adoption.monthly_active))
    return table


def _cost(report: Report, texts: Texts) -> list[str]:
    cost = report.cost
    accounts = f"{cost.accounts:,}"
    if cost.monthly is None:
        return [texts("terminal.negotiated", accounts=accounts)]
    lines = [texts(f"reading.{cost.reading}")]
    amounts = {"monthly": yen(cost.monthly), "taxed": yen(cost.monthly_with_tax)}
    lines.append(texts("terminal.cost_line", accounts=accounts, price=yen(cost.price), **amounts))
    if cost.cheaper_at is not None:
        lines.append(texts("terminal.cheaper", accounts=accounts, cheaper_at=f"{cost.cheaper_at:,}"))
    other = {"monthly": yen(cost.other.monthly), "taxed": yen(cost.other.monthly_with_tax)}
    lines.append(texts("terminal.cost_other", reading=texts(f"reading.{cost.other.reading}"), **other))
    return lines
