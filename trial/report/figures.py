"""From what the service and the bot recorded to the figures of the report; pure functions, no input or output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.clock import to_tokyo
from trial import cost, data
from trial.calendar import months_later
from trial.report.model import (
    Adoption,
    AnswerRow,
    Answers,
    Broadcast,
    Cost,
    DepartmentReads,
    Month,
    OtherReading,
    ReachPoint,
    ReadWithin,
    Row,
    Survey,
    Table,
)

REACH_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440, 2880, 4320)
"""Where the reach curve is read off, in minutes after sending; about evenly apart on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One recipient of a notice, and when they first read it."""

    department: str
    read_at: datetime | None


def broadcast(
    *,
    id: int,
    kind: str,
    title: str,
    sent_at: datetime,
    receipts: Sequence[Receipt],
    delivered: int,
    duplicates: int,
    reminders: int,
    answers: Answers | None = None,
    read_before_recall: int | None = None,
    corrections: int = 0,
) -> Broadcast:
    """The figures of one notice; `delivered` and `duplicates` come from the service's statistics.

    `read_before_recall` is None for a notice that was not recalled.
    """
    waits = [receipt.read_at - sent_at for receipt in receipts if receipt.read_at is not None]

    def within(minutes: int) -> int:
        return sum(wait <= timedelta(minutes=minutes) for wait in waits)

    return Broadcast(
        id=id,
        kind=kind,
        title=title,
        sent_at=to_tokyo(sent_at),
        recipients=len(receipts),
        delivered=delivered,
        duplicates=duplicates,
        read=len(waits),
        unread=len(receipts) - len(waits),
        read_within=ReadWithin(
            five_minutes=within(5), fifteen_minutes=within(15), one_hour=within(60), one_day=within(24 * 60)
        ),
        reach=tuple(ReachPoint(minutes=minutes, read=within(minutes)) for minutes in REACH_MINUTES),
        reminders=reminders,
        by_department=tuple(_by_department(receipts)),
        answers=answers,
        recalled=read_before_recall is not None,
        read_before_recall=read_before_recall or 0,
        corrections=corrections,
    )


def answers(
    *,
    asks: str,
    answered: int,
    changed: int,
    first: Mapping[str, int],
    latest: Mapping[str, int],
    refined: Mapping[str, int],
) -> Answers:
    """The answers to one notice, by label and in the order of its buttons."""
    return Answers(
        asks=asks,
        answered=answered,
        changed=changed,
        rows=tuple(AnswerRow(label=label, first=first[label], latest=latest[label]) for label in latest),
        refined=tuple(
            Row(label=label, count=count, share=share(count, answered)) for label, count in refined.items() if count
        ),
    )


def in_order(broadcasts: Iterable[Broadcast]) -> tuple[Broadcast, ...]:
    """Notices as they were sent."""
    return tuple(sorted(broadcasts, key=lambda broadcast: (broadcast.sent_at, broadcast.id)))


def table(*, key: str, question: str, kind: str, respondents: int, counts: Mapping[str, int]) -> Table:
    """One question of a survey; `counts` in the order of its choices, shares of `respondents`."""
    return Table(
        key=key,
        question=question,
        kind=kind,
        respondents=respondents,
        rows=tuple(Row(label=label, count=count, share=share(count, respondents)) for label, count in counts.items()),
    )


def survey(*, id: int, title: str, asked: int, respondents: int, tables: Iterable[Table]) -> Survey:
    """One survey: how many were asked, how many answered, and each question's table."""
    return Survey(id=id, title=title, asked=asked, respondents=respondents, tables=tuple(tables))


def adoption(active: Mapping[str, int], *, staff: int, start: date, months: int) -> Adoption:
    """Who used the chat, month by month; `active` maps YYYY-MM to users, and a month without any shows as 0."""
    last = months_later(start, months) - timedelta(days=1)
    names = []
    month = start.replace(day=1)
    while month <= last:
        names.append(f"{month:%Y-%m}")
        month = months_later(month, 1)
    return Adoption(
        monthly_active=tuple(
            Month(month=name, users=active.get(name, 0), share=share(active.get(name, 0), staff)) for name in names
        )
    )


def costs(accounts: int, tiers: Sequence[cost.Tier], *, reading: cost.Reading, tax_percent: int) -> Cost:
    """What `accounts` would cost a month under the chosen reading of the price table, and under the other one."""
    other: cost.Reading = "inside" if reading == "all" else "all"

    def monthly(which: cost.Reading) -> tuple[int | None, int | None]:
        yen = cost.monthly(accounts, tiers, which)
        return yen, None if yen is None else cost.with_tax(yen, tax_percent)

    yen, taxed = monthly(reading)
    other_yen, other_taxed = monthly(other)
    return Cost(
        accounts=accounts,
        price=cost.price_of(accounts, tiers),
        monthly=yen,
        monthly_with_tax=taxed,
        cheaper_at=cost.cheaper_at(accounts, tiers, reading),
        reading=reading,
        other=OtherReading(reading=other, monthly=other_yen, monthly_with_tax=other_taxed),
    )


def share(count: int, whole: int) -> float:
    """`count` of `whole`, to four places; 0 of nothing is 0."""
    return round(count / whole, 4) if whole else 0.0


def _by_department(receipts: Sequence[Receipt]) -> list[DepartmentReads]:
    """In the survey's order of departments, unknown ones after them by name."""
    known = list(data.load("staff")["department"])
    names = sorted(
        {receipt.department for receipt in receipts},
        key=lambda name: (known.index(name) if name in known else len(known), name),
    )
    return [
        DepartmentReads(
            department=name,
            recipients=sum(receipt.department == name for receipt in receipts),
            read=sum(receipt.department == name and receipt.read_at is not None for receipt in receipts),
        )
        for name in names
    ]
