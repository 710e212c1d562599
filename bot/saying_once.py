"""A failure that goes on is said once, with its traceback, and once when it is over; not every two seconds."""

from __future__ import annotations

import traceback
from collections.abc import Hashable

import structlog

log = structlog.get_logger(__name__)

MOST = 1_000
"""Failures that are remembered."""


class Failures:
    """What fails in one place, by a subject such as a file's name. `event` and `values` say in the log which place."""

    def __init__(self, event: str, **values: object) -> None:
        self._event = event
        self._values = values
        self._standing: dict[Hashable, tuple[object, int]] = {}

    def failed(self, error: BaseException, subject: str = "") -> None:
        """It failed (again): a line with the traceback unless the same was said of this subject before."""
        kind = _kind(error)
        before, times = self._standing.pop(subject, (None, 0))
        self._standing[subject] = kind, times + 1
        while len(self._standing) > MOST:
            del self._standing[next(iter(self._standing))]
        if kind != before:
            log.error(self._event, **self._said(subject), error=repr(error)[:300], exc_info=error)

    def worked(self, subject: str = "") -> None:
        """It works: a line if it had failed."""
        if self._standing and (found := self._standing.pop(subject, None)) is not None:
            log.warning(f"{self._event}_over", **self._said(subject), times=found[1])

    def _said(self, subject: str) -> dict[str, object]:
        return {**self._values, **({"subject": subject} if subject else {})}


def _kind(error: BaseException) -> object:
    """What is the same for the same failure: its type and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error), (frames[-1].filename, frames[-1].lineno) if frames else None
