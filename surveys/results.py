"""What the service tells of a survey: that it was opened, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from bot.clock import to_tokyo
from surveys.definition import Definition
from surveys.tabulation import SimpleTable, Tally


@dataclass(frozen=True, slots=True)
class Expected:
    """What a survey would be if it opened now; `members` are all who would be asked, by id."""

    members: tuple[int, ...]
    unreachable: int
    closes_at: datetime

    @property
    def asked(self) -> int:
        return len(self.members)


@dataclass(frozen=True, slots=True)
class Opened:
    """A survey that has been opened; `unreachable` are asked, but have no address that works."""

    id: int
    title: str
    asked: int
    unreachable: int
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class Results:
    """What came of a survey; `tables` is empty while one that is not named is open."""

    id: int
    key: str
    title: str
    state: str
    anonymity: str
    opened_at: datetime
    closes_at: datetime
    asked: int
    respondents: int
    tables: tuple[SimpleTable, ...]


def tables_shown(tally: Tally, definition: Definition) -> tuple[SimpleTable, ...]:
    """The tables that everybody may see: small counts are hidden, and own words where they were said in confidence."""
    tables = tally.tables(threshold=definition.threshold)
    if definition.anonymity == "confidential":
        return tuple(replace(table, words=()) for table in tables)
    return tables


def closing_time(moment: datetime) -> str:
    """A closing time as staff read it: `2023-07-31 17:00`."""
    return f"{to_tokyo(moment):%Y-%m-%d %H:%M}"


def summary(results: Results) -> dict[str, Any]:
    """Results for a report: plain values, moments as ISO text in Tokyo's time."""
    return {
        "id": results.id,
        "key": results.key,
        "title": results.title,
        "state": results.state,
        "anonymity": results.anonymity,
        "opened_at": to_tokyo(results.opened_at).isoformat(),
        "closes_at": to_tokyo(results.closes_at).isoformat(),
        "asked": results.asked,
        "respondents": results.respondents,
        "tables": [
            {
                "question": table.text,
                "key": table.key,
                "kind": table.kind,
                "asked": table.asked,
                "answered": table.answered,
                "blank": table.blank,
                "counts": [asdict(row) for row in table.rows],
                "mean": table.mean,
                "median": table.median,
                "words": list(table.words),
            }
            for table in results.tables
        ],
    }
