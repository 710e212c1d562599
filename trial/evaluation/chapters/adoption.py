"""Who took part: registered, and active month by month and week by week, by department, age, skill and device."""

from __future__ import annotations

from collections.abc import Iterator

from trial.evaluation.calendar import month_key, months
from trial.evaluation.facts import TRAITS, WHOLE, Facts
from trial.evaluation.figures import share
from trial.evaluation.table import Cell, Chapter, Maker, Table


def chapter(make: Maker, facts: Facts) -> Chapter:
    return make.chapter("adoption", _tables(make, facts))


def _tables(make: Maker, facts: Facts) -> Iterator[Table]:
    everybody = facts.everybody
    span = months(facts.starts, facts.ends)
    rows: list[list[Cell]] = []
    for month in span:
        seen, counted = everybody.active.get(month_key(month), 0), facts.service.get(f"active:{month_key(month)}")
        rows.append([f"{month:%Y-%m}", seen, share(seen, everybody.staff), counted, share(counted, everybody.staff)])
    columns = make.columns(
        {"month": "text", "active": "count", "active_share": "share", "service": "count", "service_share": "share"}
    )
    note = "" if any(row[3] is not None for row in rows) else make.texts("no_service")
    yield make.table("active_months", columns, rows, charted=["active_share", "service_share"], note=note)

    columns = make.columns({"week": "text", "active": "count", "active_share": "share"})
    by_week = [(f"{week}", everybody.active.get(f"{week}", 0)) for week in facts.weeks_of_use]
    yield make.table(
        "active_weeks",
        columns,
        [[week, people, share(people, everybody.staff)] for week, people in by_week],
        charted=["active_share"],
    )
    for trait in TRAITS:
        groups = facts.having(trait)
        if not groups or all(not group.label for group in groups):
            continue
        columns = [
            make.column("group", "text", make.texts(f"trait.{trait}")),
            *make.columns({"staff": "count", "registered_share": "share", "used_share": "share"}),
            *(
                make.column(f"active_{month_key(month)}", "share", make.texts("month", month=month.month))
                for month in span
            ),
        ]
        yield make.table(
            "active_groups",
            columns,
            [
                [
                    make.label(group.label),
                    group.staff,
                    share(group.registered, group.staff),
                    share(group.active.get(WHOLE, 0), group.staff),
                    *(share(group.active.get(month_key(month), 0), group.staff) for month in span),
                ]
                for group in groups
            ],
            name=f"active_{trait}",
            charted=[f"active_{month_key(span[-1])}"] if span else [],
            trait=make.texts(f"trait.{trait}"),
        )
