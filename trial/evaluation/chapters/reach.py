"""How fast notices reached people: by kind, by hour of sending, by groups of people, and one by one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar

from bot.clock import to_tokyo
from trial.evaluation.facts import EVERYBODY, TRAITS, Facts, Wait
from trial.evaluation.figures import DAY, HOUR, KINDS, share
from trial.evaluation.reach import Reach, together
from trial.evaluation.table import Cell, Chapter, Column, Kind, Maker, Table

MEASURES: Mapping[str, Kind] = {
    "recipients": "count",
    "within_1h": "share",
    "within_24h": "share",
    "read_share": "share",
    "until_50": "minutes",
    "until_80": "minutes",
    "until_95": "minutes",
}
Sign = TypeVar("Sign", bound=Hashable)


def chapter(make: Maker, facts: Facts) -> Chapter:
    return make.chapter("reach", _tables(make, facts) if facts.notices else ())


def _tables(make: Maker, facts: Facts) -> Iterator[Table]:
    everybody = facts.waits_that_count(EVERYBODY)
    notices = {notice.id: notice for notice in facts.notices}

    def grouped(
        key: str, of: Callable[[Wait], Sign], first: str, label: Callable[[Sign], str], order: Callable[[Sign], object]
    ) -> Table:
        found = together(everybody, of)
        columns = make.columns({first: "text", "notices": "count", **MEASURES})
        rows = [[label(sign), len(found[sign].notices), *_measures(found[sign])] for sign in sorted(found, key=order)]  # type: ignore[arg-type] # what is ordered by is comparable
        return make.table(key, columns, rows, charted=["within_1h", "within_24h"])

    yield grouped(
        "reach_kinds",
        lambda wait: notices[wait.notice].kind,
        "kind",
        lambda kind: make.word("kind", kind),
        lambda kind: (KINDS.index(kind) if kind in KINDS else len(KINDS), kind),
    )
    yield grouped(
        "reach_hours",
        lambda wait: to_tokyo(notices[wait.notice].sent_at).hour,
        "hour",
        lambda hour: make.texts("hour", hour=hour),
        lambda hour: hour,
    )
    for trait in TRAITS:
        found = together(facts.waits_that_count(trait), lambda wait: wait.label)
        if not any(found):
            continue
        order = [group.label for group in facts.having(trait)]
        columns: list[Column] = [make.column("group", "text", make.texts(f"trait.{trait}")), *make.columns(MEASURES)]
        yield make.table(
            "reach_groups",
            columns,
            [
                [make.label(label), *_measures(found[label])]
                for label in sorted(found, key=lambda label: order.index(label) if label in order else len(order))
            ],
            name=f"reach_{trait}",
            charted=["within_1h", "within_24h"],
            trait=make.texts(f"trait.{trait}"),
        )
    one_by_one = together(facts.waits_of(EVERYBODY), lambda wait: wait.notice)
    yield make.table(
        "reach_notices",
        make.columns({"sent_at": "text", "kind": "text", "title": "words", **MEASURES, "reminders": "count"}),
        [
            [
                f"{to_tokyo(notice.sent_at):%Y-%m-%d %H:%M}",
                make.word("kind", notice.kind),
                make.texts("recalled", title=notice.title) if notice.recalled else notice.title,
                *_measures(one_by_one.get(notice.id, Reach())),
                notice.reminders,
            ]
            for notice in facts.notices
        ],
    )


def _measures(reach: Reach) -> list[Cell]:
    return [
        reach.recipients,
        share(reach.within(HOUR), reach.recipients),
        share(reach.within(DAY), reach.recipients),
        share(reach.read, reach.recipients),
        *(reach.until(percent) for percent in (50, 80, 95)),
    ]
