"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


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
