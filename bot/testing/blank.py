"""An empty SQLite database at the price of a copy: its tables are made once in a process, for all its tests."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bot.storage import Database, metadata

_MADE: dict[frozenset[str], bytes] = {}
"""The file, by the tables in it: a module that is imported later brings more of them."""


async def blank_database(file: Path) -> Database:
    """An open database at `file` with every table that the imported modules define, and no row."""
    tables = frozenset(metadata.tables)
    if tables not in _MADE:
        with tempfile.TemporaryDirectory(prefix="kairanban-blank-") as folder:
            first = Path(folder) / "blank.sqlite3"
            database = _open(first)
            try:
                await database.create_tables()
            finally:
                await database.close()  # and with it the write-ahead log: everything is in the one file
            _MADE[tables] = first.read_bytes()
    return _open(file, _MADE[tables])


def _open(file: Path, content: bytes = b"") -> Database:
    file.write_bytes(content)
    return Database.open(f"sqlite+aiosqlite:///{file}", durability="process")
