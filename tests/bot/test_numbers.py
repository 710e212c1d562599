"""Numbers as people type them, and what no table counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.numbers import LARGEST, numbered


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("12", 12),
        ("１２", 12),
        ("0012", 12),
        (str(LARGEST), LARGEST),
        ("99999999999999999999", LARGEST),
        ("9" * 5_000, LARGEST),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("①", None),
        ("一", None),
        ("1 2", None),
    ],
)
def test_a_word_is_a_number_in_any_width_and_never_more_than_a_database_takes(word: str, number: int | None) -> None:
    assert numbered(word) == number


@given(st.text() | st.text(st.characters(categories=["Nd", "No", "Nl"])))
def test_no_word_is_anything_else_than_none_or_a_number_that_a_database_takes(word: str) -> None:
    number = numbered(word)
    assert number is None or 0 <= number < 2**63
