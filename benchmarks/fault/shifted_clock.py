"""The machine's clock and an offset that stands in a file: a night passes in a moment, for every process alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bot.clock import SystemClock

LOOK_EVERY = 0.1
"""Seconds until a process has noticed that the clock was moved."""


@dataclass(slots=True, eq=False)
class _Shifted:
    """A call that is due later; `handle` is the loop's, made anew whenever the clock is moved."""

    clock: ShiftedClock
    when: datetime
    callback: Callable[[], None]
    handle: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        if self.handle is not None:
            self.handle.cancel()
        self.clock.waiting.discard(self)


class ShiftedClock(SystemClock):
    """The present plus as many seconds as `file` says; `follow()` must run for waits to notice a change."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = self._read()
        self.waiting: set[_Shifted] = set()

    def now(self) -> datetime:
        return super().now() + self._offset

    def monotonic(self) -> float:
        return super().monotonic() + self._offset.total_seconds()

    def call_at(self, when: datetime, callback: Callable[[], None]) -> _Shifted:
        timer = _Shifted(self, when, callback)
        self.waiting.add(timer)
        self._arm(timer)
        return timer

    async def follow(self) -> None:
        """Watch the file for as long as the process lives."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            offset = self._read()
            if offset != self._offset:
                self._offset = offset
                for timer in list(self.waiting):
                    self._arm(timer)

    def _arm(self, timer: _Shifted) -> None:
        if timer.handle is not None:
            timer.handle.cancel()
        delay = max(0.0, (timer.when - self.now()).total_seconds())
        timer.handle = asyncio.get_running_loop().call_later(delay, self._fire, timer)

    def _fire(self, timer: _Shifted) -> None:
        if timer in self.waiting:
            self.waiting.discard(timer)
            timer.callback()

    def _read(self) -> timedelta:
        return offset(self._file)


def offset(file: Path) -> timedelta:
    """How far the clock is ahead."""
    return timedelta(seconds=float(file.read_text(encoding="ascii"))) if file.exists() else timedelta()


def move(file: Path, by: timedelta) -> None:
    """Move the clock of all processes that follow `file`."""
    draft = file.with_suffix(".draft")
    draft.write_text(str((offset(file) + by).total_seconds()), encoding="ascii")
    draft.replace(file)
