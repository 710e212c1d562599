"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
from hypothesis import settings

from bot.storage import Database
from tests import office
from tests.databases import KINDS, Kind, empty_database, server
from tests.postgres import Postgres

collect_ignore = [] if office.AVAILABLE else ["test_printed.py"]
"""What is printed is looked at where there is something to print with: LibreOffice is no Python package."""

# The same examples every time: a failure that only one machine sees helps nobody. HYPOTHESIS_PROFILE=explore looks on.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("explore")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where `KAIRANBAN_NO_SKIP` is set (`.ci/run` sets it), a test that skips has failed."""
    report = yield
    if os.environ.get("KAIRANBAN_NO_SKIP") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped where nothing may skip: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """One real PostgreSQL server for all tests of a process."""
    return server()


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with all tables, once on SQLite and once on PostgreSQL: the conformance suite of storage."""
    kind: Kind = request.param
    async with empty_database(kind, tmp_path) as database:
        yield database
