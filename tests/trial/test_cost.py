from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trial.samples import TIERS
from trial.cost import Reading, cheaper_at, monthly, price_of, with_tax


@pytest.mark.parametrize(
    ("accounts", "all_at_tier", "inside"),
    [
        (1, 400, 400),
        (225, 90_000, 90_000),
        (500, 200_000, 200_000),
        (501, 175_350, 200_350),
        (3_000, 1_050_000, 1_075_000),
        (3_001, 900_300, 1_075_300),
        (10_000, 3_000_000, 3_175_000),
        (10_001, None, None),
    ],
)
def test_both_readings_of_the_price_table(accounts: int, all_at_tier: int | None, inside: int | None) -> None:
    assert monthly(accounts, TIERS, "all") == all_at_tier
    assert monthly(accounts, TIERS, "inside") == inside


@pytest.mark.parametrize(
    ("accounts", "better"),
    [(225, None), (438, None), (439, 501), (500, 501), (501, None), (2_572, None), (2_573, 3_001), (20_000, None)],
)
def test_more_accounts_are_cheaper_just_below_the_next_tier(accounts: int, better: int | None) -> None:
    assert cheaper_at(accounts, TIERS) == better


@given(st.integers(1, 10_000), st.sampled_from(["all", "inside"]))
def test_a_cheaper_number_is_larger_and_really_cheaper(accounts: int, reading: Reading) -> None:
    better = cheaper_at(accounts, TIERS, reading)
    if reading == "inside":
        assert better is None
    if better is not None:
        present, future = monthly(accounts, TIERS, reading), monthly(better, TIERS, reading)
        assert present is not None
        assert future is not None
        assert better > accounts
        assert future < present


def test_no_accounts_have_no_price() -> None:
    with pytest.raises(ValueError, match="begins at 1"):
        price_of(0, TIERS)


def test_tax_is_cut_off_to_whole_yen() -> None:
    assert with_tax(90_000, 10) == 99_000
    assert with_tax(175_355, 10) == 192_890
