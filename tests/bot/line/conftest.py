from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.adapters.line import Line
from bot.clock import ManualClock
from bot.testing.fakes import FakeLine
from tests.bot.line.support import START, adapter_for


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def line(clock: ManualClock) -> AsyncIterator[FakeLine]:
    async with FakeLine(clock) as line:
        yield line


@pytest.fixture
async def adapter(line: FakeLine, clock: ManualClock) -> AsyncIterator[Line]:
    adapter = adapter_for(line, clock)
    await adapter.open()
    yield adapter
    await adapter.close()
