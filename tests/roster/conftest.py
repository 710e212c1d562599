"""What the roster's tests share: both databases, a clock, and short ways to import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest

from bot.clock import TOKYO, ManualClock
from bot.roster import Plan, apply, plan, read
from bot.storage import Database

Importer = Callable[[str], Awaitable[Plan]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2024, 4, 1, 8, 30, tzinfo=TOKYO))


@pytest.fixture
def bring_in(database: Database, clock: ManualClock) -> Importer:
    """Import a CSV given as text, whoever leaves by it; the plan that was applied."""

    async def bring_in(text: str) -> Plan:
        roster = read(text.encode(), "名簿.csv")
        async with database.transaction() as db:
            intended = await plan(db, roster)
            await apply(db, clock, intended, by="0001", many_may_leave=True)
        return intended

    return bring_in
