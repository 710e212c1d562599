"""`kairanban serve` as a process of its own, on settings with `[matrix]`; killed and started again by its own id."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from bot.directory import Entry, save
from bot.storage import Database
from bot.testing.synapse import HOST, Synapse
from config import migrate
from tests.bot.matrix.support import Account, until


class Served:
    """The bot of `account`, with its things in `folder`."""

    def __init__(self, folder: Path, synapse: Synapse, account: Account, session: aiohttp.ClientSession) -> None:
        folder.mkdir()
        self._session = session
        self._folder = folder
        self._health = f"http://{HOST}:{account.port}/readyz"
        self._process: asyncio.subprocess.Process | None = None
        (folder / "kairanban.toml").write_text(
            f"""
            [server]
            host = "{HOST}"
            port = {account.port}
            [storage]
            folder = "{folder}"
            [matrix]
            homeserver = "{synapse.url}"
            user = "{account.registration.user}"
            registration = "{account.write(folder)}"
            catch_up_every = "PT2S"
            """,
            encoding="utf-8",
        )

    async def know(self, entries: Sequence[Entry]) -> None:
        """Fill the staff directory, before the first start."""
        database = Database.open(f"sqlite+aiosqlite:///{self._folder / 'kairanban.sqlite3'}")
        try:
            await migrate.upgrade(database)
            async with database.transaction() as db:
                await save(db, entries)
        finally:
            await database.close()

    async def start(self) -> None:
        """Start it, and return when it is ready."""
        with (self._folder / "serve.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "config", "serve", "--settings", str(self._folder / "kairanban.toml")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await until(self._ready)

    async def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log()
        try:
            async with self._session.get(self._health) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def log(self) -> str:
        """The end of what it said."""
        return (self._folder / "serve.log").read_text(encoding="utf-8", errors="replace")[-5_000:]

    def count(self, question: str) -> int:
        """One number out of its database, read from outside."""
        with sqlite3.connect(f"file:{self._folder / 'kairanban.sqlite3'}?mode=ro", uri=True) as database:
            found: int = database.execute(question).fetchone()[0]
        database.close()
        return found
