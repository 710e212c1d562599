"""Properties of the outbox's two pure parts: when to try again, and how fast."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import ManualClock
from bot.outbox import Pacer, RetryPolicy

START = datetime(2023, 7, 3, tzinfo=UTC)

policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 50),
    first=st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(minutes=1)),
    longest=st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=1)),
    factor=st.floats(1, 10),
    jitter=st.floats(0, 1),
)


@given(policies, st.integers(0, 2**32))
def test_a_delivery_is_tried_as_often_as_the_policy_says(policy: RetryPolicy, seed: int) -> None:
    random = Random(seed)
    waits = [policy.wait(attempts, random) for attempts in range(1, policy.max_attempts + 3)]
    assert all(wait is not None for wait in waits[: policy.max_attempts - 1])
    assert waits[policy.max_attempts - 1 :] == [None] * 3


@given(policies, st.integers(1, 10_000), st.integers(0, 2**32))
def test_a_wait_stays_within_its_limits(policy: RetryPolicy, attempts: int, seed: int) -> None:
    wait = policy.wait(attempts, Random(seed))
    if wait is not None:
        assert timedelta(0) <= wait <= policy.longest
        if attempts == 1:
            assert wait >= policy.first * (1 - policy.jitter) - timedelta(microseconds=1)


@given(policies)
def test_waits_grow_where_nothing_is_left_to_chance(policy: RetryPolicy) -> None:
    steady = RetryPolicy(policy.max_attempts, policy.first, policy.longest, policy.factor, jitter=0)
    waits = [steady.wait(attempts, Random(0)) for attempts in range(1, steady.max_attempts)]
    assert waits == sorted(wait for wait in waits if wait is not None)


def test_very_many_attempts_wait_the_longest_time() -> None:
    policy = RetryPolicy(max_attempts=10**6, jitter=0)
    assert policy.wait(10**5, Random(0)) == policy.longest


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"factor": 0.5},
        {"jitter": 1.5},
        {"first": timedelta(0)},
        {"first": timedelta(hours=2), "longest": timedelta(hours=1)},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="A retry policy needs"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose


@given(
    st.floats(0.01, 50_000),
    st.lists(st.timedeltas(min_value=timedelta(0), max_value=timedelta(seconds=3)), min_size=1, max_size=200),
)
def test_the_rate_is_never_exceeded_in_any_stretch_of_time(rate: float, steps: list[timedelta]) -> None:
    clock = ManualClock(START)
    pacer = Pacer(clock, rate)
    taken: list[datetime] = []
    for step in steps:
        clock.advance(step)
        if pacer.take():
            taken.append(clock.now())
    for earlier, later in pairwise(taken):
        assert (later - earlier).total_seconds() >= 1 / rate


@given(st.floats(0.1, 1_000), st.integers(2, 50))
def test_one_who_waits_for_the_next_moment_gets_the_whole_rate(rate: float, count: int) -> None:
    clock = ManualClock(START)
    pacer = Pacer(clock, rate)
    for _ in range(count):
        assert pacer.take()
        assert not pacer.take()
        assert pacer.next_at is not None
        clock.advance_to(pacer.next_at)
    assert clock.now() - START <= count * timedelta(seconds=1 / rate) + count * timedelta(microseconds=1)


def test_a_rest_gives_no_right_to_a_burst() -> None:
    clock = ManualClock(START)
    pacer = Pacer(clock, 10)
    clock.advance(timedelta(hours=1))
    assert [pacer.take() for _ in range(5)] == [True, False, False, False, False]


@given(st.floats(0.5, 20), st.lists(st.tuples(st.integers(0, 4_000), st.integers(1, 900)), max_size=8))
def test_no_half_hour_has_more_calls_than_the_sustained_rate_allows(
    sustained: float, spells: list[tuple[int, int]]
) -> None:
    clock = ManualClock(START)
    pacer = Pacer(clock, sustained * 2, sustained)
    taken: deque[datetime] = deque()
    for rest, calls in [*spells, (0, 2_000)]:
        clock.advance(timedelta(seconds=rest))
        for _ in range(calls):
            clock.advance_to(pacer.next_at or clock.now())
            assert pacer.take()
            taken.append(clock.now())
            while taken[0] <= clock.now() - timedelta(minutes=30):
                taken.popleft()
            assert len(taken) <= sustained * 1_800 + 1


def test_after_a_rest_the_full_rate_is_there_at_once() -> None:
    clock = ManualClock(START)
    pacer = Pacer(clock, 4, 2)
    for _ in range(1_200):
        clock.advance_to(pacer.next_at or clock.now())
        assert pacer.take()
    assert clock.now() - START <= timedelta(seconds=300), "A city hall's whole staff, at the full rate."


def test_without_a_rate_only_a_pause_holds_back() -> None:
    clock = ManualClock(START)
    pacer = Pacer(clock, None)
    assert all(pacer.take() for _ in range(1_000))
    pacer.pause(START + timedelta(seconds=10))
    pacer.pause(START + timedelta(seconds=5))
    assert not pacer.take()
    assert pacer.next_at == START + timedelta(seconds=10)
    clock.advance(timedelta(seconds=10))
    assert pacer.take()
    assert pacer.take()
    assert pacer.next_at is None


@pytest.mark.parametrize("rate", [0, -1.0])
def test_a_rate_that_makes_no_sense_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pacer(ManualClock(START), rate)
    with pytest.raises(ValueError, match="above 0"):
        Pacer(ManualClock(START), 1, rate)
