"""A folder that a receiver drops telegrams into: each file is taken once it is complete, then moved out of the way.

A file is complete when it looked the same in two scans, one interval apart: true at once for a file that was renamed
into the folder, and after the last write for one that is copied. Names that begin with a dot or end in `.tmp` or
`.part` are still being written. Read files go to `done/`, the others to `unreadable/`, and none is ever deleted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import structlog

from bot.activity import Activity, Alarm
from bot.clock import Clock
from broadcasts.jma.decide import Decision
from broadcasts.jma.tree import SIZE_LIMIT

log = structlog.get_logger(__name__)

DONE, UNREADABLE = "done", "unreadable"
_UNFINISHED = (".tmp", ".part")

Receive = Callable[[bytes, str], Awaitable[Decision]]
Report = Callable[[str, Decision], Awaitable[None]]


class FolderWatch:
    """Hands each new file of `folder` to `receive` and tells `report` its name and what was decided."""

    def __init__(
        self,
        folder: Path,
        receive: Receive,
        clock: Clock,
        activity: Activity,
        *,
        report: Report | None = None,
        interval: timedelta = timedelta(seconds=2),
    ) -> None:
        self._folder = folder
        self._receive = receive
        self._clock = clock
        self._activity = activity
        self._report = report
        self._interval = interval
        self._looked = dict[str, tuple[int, int, int]]()
        self._task: asyncio.Task[None] | None = None

    async def scan(self) -> list[tuple[str, Decision]]:
        """Take every file that has not changed since the last scan, oldest first."""
        looks = await asyncio.to_thread(self._look)
        complete = [name for name, look in looks.items() if self._looked.get(name) == look]
        self._looked = looks
        decisions = list[tuple[str, Decision]]()
        for name in complete:
            try:
                decision = await self._take(name)
            except OSError as error:
                # The disk may be back at the next scan; the file stays where it is.
                log.warning("jma.file_not_taken", file=name, error=error.strerror)
                continue
            decisions.append((name, decision))
        return decisions

    def _look(self) -> dict[str, tuple[int, int, int]]:
        self._folder.mkdir(parents=True, exist_ok=True)
        found = list[tuple[int, str, tuple[int, int, int]]]()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED):
                    continue
                # A symbolic link could point anywhere, and a pipe would never end.
                if entry.is_file(follow_symlinks=False):
                    seen = entry.stat(follow_symlinks=False)
                    found.append((seen.st_mtime_ns, entry.name, (seen.st_ino, seen.st_size, seen.st_mtime_ns)))
        return {name: look for _, name, look in sorted(found)}

    async def _take(self, name: str) -> Decision:
        data = await asyncio.to_thread(self._read, name)
        decision = await self._receive(data, name)
        await asyncio.to_thread(self._put_away, name, UNREADABLE if decision.action == "unreadable" else DONE)
        self._looked.pop(name, None)
        if self._report is not None:
            await self._report(name, decision)
        return decision

    def _read(self, name: str) -> bytes:
        # One byte more than is allowed is enough to see that it is too much.
        with (self._folder / name).open("rb") as file:
            return file.read(SIZE_LIMIT + 1)

    def _put_away(self, name: str, drawer: str) -> None:
        target = self._folder / drawer
        target.mkdir(exist_ok=True)
        free, number = target / name, 1
        while free.exists():
            number += 1
            free = target / f"{Path(name).stem}-{number}{Path(name).suffix}"
        (self._folder / name).rename(free)

    async def start(self) -> None:
        """Scan at every interval until `stop`."""
        self._task = asyncio.create_task(self._run(Alarm(self._clock, self._activity)), name="jma-watch")

    async def _run(self, alarm: Alarm) -> None:
        try:
            while True:
                await alarm.wait(self._clock.now() + self._interval)
                try:
                    await self.scan()
                except Exception:
                    # A database that is down for a minute must not end the watch: the file is still there.
                    log.exception("jma.scan_failed", folder=self._folder.name)
        finally:
            alarm.rest()

    async def stop(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
