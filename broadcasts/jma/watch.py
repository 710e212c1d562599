"""A folder that a receiver drops telegrams into: each file is taken once it is complete, then moved out of the way.

A file is complete when it looked the same in two scans, one interval apart: true at once for a file that was renamed
into the folder, and after the last write for one that is copied. Names that begin with a dot or end in `.tmp` or
`.part` are still being written. Read files go to `done/`, the others to `unreadable/`, and none is ever deleted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

from bot.activity import Activity
from bot.clock import Clock
from bot.loop import Loop
from bot.saying_once import Failures
from broadcasts.jma.decide import Decision
from broadcasts.jma.tree import SIZE_LIMIT

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
        self._report = report
        self._interval = interval
        self._looked = dict[str, tuple[int, int, int]]()
        self._files = Failures("jma.file_not_taken")
        self._loop = Loop("jma-watch", self._scan, clock, activity, after_failure=interval, database_pause=interval)

    async def scan(self) -> list[tuple[str, Decision]]:
        """Take every file that has not changed since the last scan, oldest first."""
        looks = await asyncio.to_thread(self._look)
        complete = [name for name, look in looks.items() if self._looked.get(name) == look]
        self._looked = looks
        decisions = list[tuple[str, Decision]]()
        for name in complete:
            try:
                decision = await self._take(name)
            except Exception as error:
                # The disk or the database may be back at the next scan; the file stays where it is, and no other file
                # waits for it.
                self._files.failed(error, subject=name)
                continue
            self._files.worked(subject=name)
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
        # Told before it is moved: a report that the database refused would otherwise never be made. One that is made
        # twice is noticed by whoever is told.
        if self._report is not None:
            await self._report(name, decision)
        await asyncio.to_thread(self._put_away, name, UNREADABLE if decision.action == "unreadable" else DONE)
        self._looked.pop(name, None)
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
        await self._loop.start()

    async def _scan(self) -> datetime:
        await self.scan()
        return self._clock.now() + self._interval

    async def stop(self) -> None:
        """End the watch."""
        await self._loop.stop()
