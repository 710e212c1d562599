"""What the chat would cost a month after the free trial, from a price table by number of accounts.

The table does not say whether a tier's price holds for all accounts or only for those inside the tier. `all` is the
default reading; `inside` is the other one, in which every tier fills up before the next begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Reading = Literal["all", "inside"]


@dataclass(frozen=True, slots=True)
class Tier:
    """Accounts `first` and up at `price` yen each and month, tax excluded; None: the price is negotiated."""

    first: int
    price: int | None


def monthly(accounts: int, tiers: Sequence[Tier], reading: Reading = "all") -> int | None:
    """Yen a month for `accounts`, tax excluded; None where the price is negotiated."""
    if reading == "all":
        price = price_of(accounts, tiers)
        return None if price is None else accounts * price
    total = 0
    for position, tier in enumerate(tiers):
        after = tiers[position + 1].first if position + 1 < len(tiers) else accounts + 1
        inside = min(accounts + 1, after) - tier.first
        if inside <= 0:
            break
        if tier.price is None:
            return None
        total += inside * tier.price
    return total


def price_of(accounts: int, tiers: Sequence[Tier]) -> int | None:
    """The price of the tier that `accounts` falls into."""
    if accounts < tiers[0].first:
        raise ValueError(f"The price table begins at {tiers[0].first} accounts.")
    return [tier for tier in tiers if tier.first <= accounts][-1].price


def cheaper_at(accounts: int, tiers: Sequence[Tier], reading: Reading = "all") -> int | None:
    """The larger number of accounts that costs least and less than `accounts` do, or None.

    Where a tier's price holds for all accounts, buying up to the next tier can be cheaper than stopping below it.
    """
    present = monthly(accounts, tiers, reading)
    if present is None:
        return None
    steps = [(monthly(tier.first, tiers, reading), tier.first) for tier in tiers if tier.first > accounts]
    better = [(cost, first) for cost, first in steps if cost is not None and cost < present]
    return min(better)[1] if better else None


def with_tax(yen: int, percent: int) -> int:
    """Yen with consumption tax, fractions of a yen cut off."""
    return yen + yen * percent // 100
