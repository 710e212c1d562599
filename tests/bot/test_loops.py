"""A loop that fails says so once, goes on soon, and says once that it is over."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from bot.activity import Activity
from bot.clock import ManualClock
from bot.loop import Loop
from bot.testing.harness import START


class Work:
    """Fails as long as it is told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.times = 0

    async def __call__(self) -> datetime | None:
        self.times += 1
        if self.error is not None:
            raise self.error
        return None


def full() -> sqlite3.Error:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


async def test_a_failure_that_goes_on_has_one_traceback_and_one_line_at_its_end() -> None:
    clock, activity, work = ManualClock(START), Activity(), Work()
    loop = Loop("a loop", work, clock, activity, after_failure=timedelta(seconds=2))
    work.error = ValueError("a mistake")
    with capture_logs() as lines:
        await loop.start()
        await activity.idle()
        for _ in range(30):
            clock.advance(timedelta(seconds=2))
            await activity.idle()
        assert work.times == 31
        assert [line["event"] for line in lines] == ["loop_failed"]
        work.error = full()
        clock.advance(timedelta(seconds=2))
        await activity.idle()
        assert len(lines) == 2, "another failure is told"
        work.error = None
        clock.advance(timedelta(seconds=2))
        await activity.idle()
    assert [line["event"] for line in lines] == ["loop_failed", "loop_failed", "loop_failed_over"]
    assert lines[-1]["times"] == 32
    await loop.stop()


@pytest.mark.parametrize(("error", "seconds"), [(full(), 10), (ValueError("a mistake"), 600)])
async def test_after_a_fault_of_the_database_a_loop_is_not_made_to_wait_for_minutes(
    error: Exception, seconds: int
) -> None:
    clock, activity, work = ManualClock(START), Activity(), Work()
    loop = Loop("a loop", work, clock, activity, after_failure=timedelta(minutes=10))
    work.error = error
    await loop.start()
    await activity.idle()
    clock.advance(timedelta(seconds=seconds - 1))
    await activity.idle()
    assert work.times == 1
    clock.advance(timedelta(seconds=1))
    await activity.idle()
    assert work.times == 2
    await loop.stop()
