"""What the roster's tests share: both databases, a clock, and short ways to import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path

import pytest

from bot.clock import TOKYO, ManualClock
from bot.roster import Plan, apply, plan, read
from bot.storage import Database
from tests.databases import KINDS, Kind, empty_database

Importer = Callable[[str], Awaitable[Plan]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2024, 4, 1, 8, 30, tzinfo=TOKYO))


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    kind: Kind = request.param
    async with empty_database(kind, tmp_path) as database:
        yield database


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
