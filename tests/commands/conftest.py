"""The command line as people meet it: words in, text and an exit code out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage import Database
from config import cli, migrate
from config.loops import run

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command did."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Terminal:
    """A folder with its database, and the program itself."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str | Path, anywhere: bool = False) -> Said:
        """Run `kairanban words… --folder …`, or without the folder if `anywhere`."""
        place = [] if anywhere else ["--folder", str(self.folder)]
        self.monkeypatch.setattr("sys.argv", ["kairanban", *map(str, words), *place])
        self.monkeypatch.setenv("COLUMNS", "200")
        self.capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        seen = self.capsys.readouterr()
        return Said(code, seen.out, seen.err)

    def database(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """What `work` gives, in a transaction of the folder's database."""

        async def visit() -> T:
            self.folder.mkdir(exist_ok=True)
            database = Database.open(f"sqlite+aiosqlite:///{self.folder / 'kairanban.sqlite3'}", durability="process")
            try:
                await migrate.upgrade(database)
                async with database.transaction() as db:
                    return await work(db)
            finally:
                await database.close()

        return run(visit())


@pytest.fixture
def kairanban(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.chdir(tmp_path)  # where no settings file lies
    return Terminal(tmp_path / "var", monkeypatch, capsys)
