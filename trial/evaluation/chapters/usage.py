"""What was used: messages, rooms and files as the chat service counts them, and the problems that people reported."""

from __future__ import annotations

from bot.clock import to_tokyo
from trial.evaluation.calendar import month_key, months
from trial.evaluation.facts import Facts
from trial.evaluation.figures import ratio
from trial.evaluation.table import Cell, Chapter, Maker

COUNTED = ("messages", "rooms", "largest_room", "pairs", "files")
"""What a chat service tells of itself, by the key of its snapshot."""


def talk(make: Maker, facts: Facts) -> Chapter:
    rows: list[list[Cell]] = [
        [make.texts(f"usage.{key}"), facts.service.get(key), make.texts("usage.by_service")] for key in COUNTED
    ]
    rows += [
        [make.texts("usage.notices"), len(facts.notices), make.texts("usage.by_bot")],
        [make.texts("usage.sent"), facts.sent, make.texts("usage.by_bot")],
        [make.texts("usage.undelivered"), facts.undelivered, make.texts("usage.by_bot")],
    ]
    note = "" if any(facts.service.get(key) is not None for key in COUNTED) else make.texts("no_service")
    columns = make.columns({"what": "text", "number": "count", "counted_by": "text"})
    return make.chapter("usage", [make.table("usage", columns, rows, note=note)])


def problems(make: Maker, facts: Facts) -> Chapter:
    by_month = {month_key(month): 0 for month in months(facts.starts, facts.ends)}
    for at, _ in facts.problems:
        key = month_key(to_tokyo(at).date())
        by_month[key] = by_month.get(key, 0) + 1
    staff = facts.everybody.staff
    months_table = make.table(
        "problem_months",
        make.columns({"month": "text", "reports": "count", "per_100": "points"}),
        [[month, count, ratio(100 * count, staff)] for month, count in by_month.items()],
        charted=["reports"],
    )
    if not facts.problems:
        return make.chapter("problems", [months_table])
    listed = make.table(
        "problem_list",
        make.columns({"reported_at": "text", "said": "words"}),
        [[f"{to_tokyo(at):%Y-%m-%d %H:%M}", text] for at, text in facts.problems],
    )
    return make.chapter("problems", [months_table, listed])
