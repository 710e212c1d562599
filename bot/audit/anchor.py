"""The audit's head, written where this database's owner cannot reach it: into the log, and to a second place.

Whoever owns the database can build a whole new chain that fits together. They cannot also change what another machine
(a log server, a share that may only be added to) has been told of the old one.
"""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from bot.activity import Activity
from bot.audit.chain import Head, head
from bot.clock import Clock
from bot.loop import Loop
from bot.storage import Database

log = structlog.get_logger(__name__)

EVERY = timedelta(days=1)
LARGEST = 10_000_000
"""Bytes of an anchor file that are read: a hundred thousand heads."""


class Anchor:
    """Notes the head once a day and at every `ring()`; one that has not changed is noted once."""

    def __init__(self, database: Database, file: Path | None, clock: Clock, activity: Activity) -> None:
        self._database = database
        self._file = file
        self._clock = clock
        self._last: Head | None = None
        self._loop = Loop("audit-anchor", self._note, clock, activity)

    async def start(self) -> None:
        """Begin; the first head is noted at once."""
        await self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()

    def ring(self) -> None:
        """Something happened that must not be unsaid later, such as an emergency."""
        self._loop.ring()

    async def _note(self) -> datetime:
        async with self._database.snapshot() as db:
            found = await head(db)
        if found is not None and found != self._last:
            log.info("audit.head", head=str(found))
            if self._file is not None:
                await asyncio.to_thread(_add, self._file, f"{self._clock.now().isoformat()} {found}\n")
            self._last = found
        return self._clock.now() + EVERY


def _add(file: Path, line: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def noted_in(file: Path) -> list[Head]:
    """Every head in an anchor file, the oldest first; a line that is none is passed over. Raises OSError."""
    found = list[Head]()
    with file.open("rb") as opened:
        for line in opened.read(LARGEST).decode("utf-8", "replace").splitlines():
            try:
                found.append(Head.parse(line.rpartition(" ")[2]))
            except ValueError:
                continue
    return found
