"""What the chat costs after the trial: month by month and by fiscal year, for two ways of asking for the money.

A December supplementary budget lets the use go on the day after the trial; the next year's initial budget lets it
begin in April, and until then there is no chat. Tax is put on each month's bill and cut off to whole yen there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from trial import cost
from trial.calendar import months_later
from trial.evaluation.calendar import fiscal_year, months, next_april

Start = Literal["supplementary", "april"]
STARTS: tuple[Start, Start] = ("supplementary", "april")
READINGS: tuple[cost.Reading, cost.Reading] = ("all", "inside")


@dataclass(frozen=True, slots=True)
class Bill:
    """One month's bill, yen; nothing in a month without the chat, None where the price is negotiated."""

    month: date
    net: int | None
    gross: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The bills of one start under one reading of the price table, from the trial's end to a whole fiscal year."""

    start: Start
    reading: cost.Reading
    bills: tuple[Bill, ...]

    def year(self, fiscal: int) -> Bill:
        """A fiscal year's bills together."""
        mine = [bill for bill in self.bills if fiscal_year(bill.month) == fiscal]
        return Bill(date(fiscal, 4, 1), _total([bill.net for bill in mine]), _total([bill.gross for bill in mine]))

    @property
    def fiscal_years(self) -> list[int]:
        return sorted({fiscal_year(bill.month) for bill in self.bills})

    def months_in_use(self, fiscal: int) -> int:
        """Months of a fiscal year that are billed."""
        return sum(bill.net != 0 for bill in self.bills if fiscal_year(bill.month) == fiscal)


@dataclass(frozen=True, slots=True)
class Offer:
    """A number of accounts, and what it costs a month; `cheaper_at` is a larger number that costs less, if any."""

    accounts: int
    reading: cost.Reading
    price: int | None
    net: int | None
    gross: int | None
    cheaper_at: int | None
    cheaper_net: int | None


def plans(accounts: int, ends: date, tiers: Sequence[cost.Tier], tax_percent: int) -> list[Plan]:
    """Both starts under both readings. The trial's `ends` no longer belongs to it.

    A month that the trial only begins is the trial's; the first paid one is the next.
    """
    first = ends if ends.day == 1 else months_later(ends.replace(day=1), 1)
    april = next_april(first)
    span = months(first, months_later(april, 12))
    found = []
    for start in STARTS:
        opens = first if start == "supplementary" else april
        for reading in READINGS:
            net = cost.monthly(accounts, tiers, reading)
            gross = None if net is None else cost.with_tax(net, tax_percent)
            bills = (Bill(month, net, gross) if month >= opens else Bill(month, 0, 0) for month in span)
            found.append(Plan(start, reading, tuple(bills)))
    return found


def offers(accounts: int, tiers: Sequence[cost.Tier], tax_percent: int) -> list[Offer]:
    """The accounts' price under both readings."""
    found = []
    for reading in READINGS:
        net = cost.monthly(accounts, tiers, reading)
        cheaper = cost.cheaper_at(accounts, tiers, reading)
        found.append(
            Offer(
                accounts=accounts,
                reading=reading,
                price=cost.price_of(accounts, tiers),
                net=net,
                gross=None if net is None else cost.with_tax(net, tax_percent),
                cheaper_at=cheaper,
                cheaper_net=None if cheaper is None else cost.monthly(cheaper, tiers, reading),
            )
        )
    return found


def _total(amounts: Sequence[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
