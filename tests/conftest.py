"""What all tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Generator, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
import structlog
from hypothesis import settings

from bot.storage import Database
from tests import office
from tests.databases import KINDS, Kind, empty_database, server
from tests.postgres import Postgres

collect_ignore = [] if office.AVAILABLE else ["test_printed.py"]
"""What is printed is looked at where there is something to print with: LibreOffice is no Python package."""

# The same examples every time: a failure that only one machine sees helps nobody, nor does one that only a busy machine
# sees, so none has a time limit. HYPOTHESIS_PROFILE=explore looks on.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# Many tests let something fail and look at what becomes of it. structlog would paint each traceback with the source and
# the variables of every frame, which takes seconds where the frames are a database library's.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# As `config.start` does: what is imported stays, and to look through it again and again finds nothing.
gc.set_threshold(50_000, 20, 50)


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


@pytest.fixture(autouse=True, scope="session")
def _same_waits() -> Iterator[None]:
    """An outbox that is given no other chance takes the same: a test that needs luck fails at once, or never."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bot.outbox.outbox.Random", partial(Random, 0))
        yield


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


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """What is kept is its owner's: the house sets the process's umask, which must not reach the next test."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
