"""One request's change: the transaction it writes in, and whom it will tell once that is committed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import orjson

from bot.adapters.logochat_wire import WireEvent
from trial.service.ids import micros, number
from trial.service.models import Answer


class Change:
    """What is written through `db` is committed as a whole; frames and calls follow, or are forgotten with it."""

    __slots__ = ("at", "bots", "db", "frames", "later", "now")

    def __init__(self, db: sqlite3.Connection, now: datetime) -> None:
        self.db = db
        self.now = now
        self.at = micros(now)
        self.frames: list[tuple[list[str], Answer]] = []
        self.bots: set[int] = set()
        self.later: list[Callable[[], None]] = []

    def row(self, statement: str, *values: object) -> Any:
        """The first row, or None."""
        return self.db.execute(statement, values).fetchone()

    def rows(self, statement: str, *values: object) -> list[Any]:
        return self.db.execute(statement, values).fetchall()

    def column(self, statement: str, *values: object) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self.db.execute(statement, values)]

    def insert(self, statement: str, *values: object) -> int:
        """Carry out an INSERT; the number of the new row."""
        number = self.db.execute(statement, values).lastrowid
        assert number is not None
        return number

    def push(self, members: Iterable[str], frame: Answer) -> None:
        """Send a frame to those of `members` who are connected."""
        self.frames.append((list(members), frame))

    def tell_bot(self, bot: str, event: WireEvent) -> None:
        """Queue an event for a bot; whatever id it was made with, the courier gives it the number of its row."""
        bot_number = number("b", bot)
        self.insert(
            "INSERT INTO callbacks (bot, queued_at, event) VALUES (?, ?, ?)",
            bot_number,
            self.at,
            event.model_dump_json().encode(),
        )
        self.bots.add(bot_number)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once all is committed: for what no transaction can take back."""
        self.later.append(callback)


def json_list(values: Iterable[object]) -> str:
    """A list for `json_each(?)`, SQLite's way to pass many values at once."""
    return json.dumps(list(values))


def load(column: str | None) -> Any:
    """What a JSON column holds; an empty list for NULL."""
    return [] if column is None else orjson.loads(column)


def dump(values: list[Any]) -> str | None:
    """A list for a JSON column; NULL when it is empty."""
    return orjson.dumps(values).decode() if values else None
