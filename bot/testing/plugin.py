"""The conformance suite as a pytest plugin; pytest finds it wherever Kairanban is installed.

A test module that has a fixture named `kairanban_adapter` gets the whole suite, test by test, beside its own tests:

    @pytest.fixture
    async def kairanban_adapter() -> AsyncIterator[AdapterCase]:
        async with pigeon_loft() as loft:
            yield AdapterCase(adapter=Pigeon(loft.url, "t", "s"), platform=loft, person="u1", …)

`kairanban_clock`, `kairanban_database` and `kairanban_harness` are there for everything else. They need pytest-asyncio.

This module is imported in every run of pytest, also where nobody tests an adapter, and before coverage starts to count:
so it imports nothing of the framework until one of its fixtures is asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # a run of pytest that has nothing to do with bots
    async_fixture = pytest.fixture  # type: ignore[assignment]  # the overloads differ, the use here does not

if TYPE_CHECKING:
    from bot.clock import ManualClock
    from bot.router import Router
    from bot.storage import Database
    from bot.testing.harness import Harness

FIXTURE = "kairanban_adapter"
SUITE = "TestKairanbanAdapter"
MARKER = "kairanban_conformance"

pytest.register_assert_rewrite("bot.testing.conformance")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: tests of Kairanban's conformance suite for adapters")


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> pytest.Class | None:
    """Put the suite in the place of the fixture that it is for."""
    if name != FIXTURE or not isinstance(collector, pytest.Module):
        return None
    setattr(collector.obj, SUITE, _suite())  # a Class looks itself up by its name
    return pytest.Class.from_parent(collector, name=SUITE)


def _suite() -> type:
    from bot.testing.conformance import AdapterCase, AdapterConformance

    class KairanbanAdapter(AdapterConformance):
        @pytest.fixture
        def case(self, kairanban_adapter: object) -> AdapterCase:
            if not isinstance(kairanban_adapter, AdapterCase):
                pytest.fail(
                    f"The fixture {FIXTURE} must give a bot.testing.conformance.AdapterCase, "
                    f"not {type(kairanban_adapter).__name__}.",
                    pytrace=False,
                )
            return kairanban_adapter

    return getattr(pytest.mark, MARKER)(KairanbanAdapter)  # type: ignore[no-any-return]  # pytest types marks as Any


@pytest.fixture
def kairanban_clock() -> ManualClock:
    """A clock that stands still on a Monday morning."""
    from bot.clock import ManualClock
    from bot.testing.harness import START

    return ManualClock(START)


@async_fixture
async def kairanban_database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty SQLite database with the tables of all modules that are imported."""
    from bot.testing.blank import blank_database

    database = await blank_database(tmp_path / "kairanban.sqlite3")
    try:
        yield database
    finally:
        await database.close()


@async_fixture
async def kairanban_harness() -> AsyncIterator[Callable[..., Awaitable[Harness]]]:
    """`harness = await kairanban_harness(router, members=[…])`; every one is closed after the test."""
    from bot.testing.harness import Harness

    async with AsyncExitStack() as harnesses:

        async def open_harness(router: Router | Callable[[Harness], Router], **options: Any) -> Harness:
            return await harnesses.enter_async_context(Harness(router, **options))

        yield open_harness
