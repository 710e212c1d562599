"""However a platform, or what stands before it, asks to wait: one reader reads it, and no wait is senseless."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.retry_after import LONGEST, SHORTEST, retry_after

NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("0", 1),
        ("-3", 1),
        ("-1e300", 1),
        ("86400", 3_600),
        ("1e9", 3_600),
        ("inf", 3_600),
        ("Tue, 01 Dec 2026 02:00:30 GMT", 30),
        ("Tue, 01 Dec 2026 01:00:00 GMT", 1),
        ("Tue, 01 Dec 2099 00:00:00 GMT", 3_600),
        ("5, 20", 20),
        ("soon, 20", 20),
    ],
)
def test_a_wait_is_read_and_held_within_sense(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", [None, "", "soon", "nan", "７秒", ",", "Tue, 99 Dec 2026 02:00:30 GMT"])
def test_what_says_nothing_usable_is_no_wait(value: str | None) -> None:
    assert retry_after(value, NOW) is None


def test_a_moment_is_read_against_the_platforms_own_clock() -> None:
    ahead = "Tue, 01 Dec 2026 11:00:00 GMT"  # nine hours before ours
    assert retry_after("Tue, 01 Dec 2026 11:00:30 GMT", NOW, date=ahead) == timedelta(seconds=30)
    assert retry_after("Tue, 01 Dec 2026 02:00:30 GMT", NOW, date="nonsense") == timedelta(seconds=30)


@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_no_text_at_all_breaks_it_or_leaves_sense(value: str, date: str | None) -> None:
    found = retry_after(value, NOW, date=date)
    assert found is None or SHORTEST <= found <= LONGEST
