"""A house with an anonymous survey, in a process that is killed: what `test_every_byte` looks at afterwards.

python -m tests.secrecy.night FOLDER closed|open wiping|lazy
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot import directory
from bot.clock import ManualClock
from bot.events import ButtonPressed, MessageReceived
from bot.testing import FakePlatform
from bot.testing.harness import START
from config.house import House, open_house
from config.settings import Settings
from surveys.loading import parse_definition

WORDS = {
    "tanaka-3f1": "毎朝の会議が長すぎて困っています",
    "suzuki-88c": "上司の説明がいつも足りません",
    "sato-0d2": "とても便利なので続けてください" * 40,
}
FAILED = "この回答は処理できませんでした"
POLL = """
key = "poll"
title = "試行アンケート"
anonymity = "anonymous"
smallest_cell = 1

[[questions]]
key = "used"
kind = "choice"
text = "使いましたか。"
options = ["毎日", "使わない"]

[[questions]]
key = "comment"
kind = "text"
text = "ご意見を。"
max_length = 1000
"""


class Lazy(sqlite3.Connection):
    """An SQLite that leaves in place what it deletes, whatever it is told."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        super().execute("PRAGMA secure_delete = OFF")

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return super().execute("SELECT 1" if "secure_delete" in sql else sql, *values)


async def say(house: House, sender: str, number: int, text: str) -> None:
    await house.bot.take(
        [
            MessageReceived(
                adapter="fake",
                key=f"{sender}-{number}",
                conversation=sender,
                direct=True,
                occurred_at=house.clock.now(),
                sender=sender,
                message_id=f"m-{sender}-{number}",
                text=text,
            )
        ]
    )
    await house.bot.idle()


async def night(folder: Path, *, closed: bool) -> None:
    settings = Settings.model_validate({"storage": {"folder": folder}})
    clock = ManualClock(START)
    async with open_house(settings, clock=clock, adapters=[FakePlatform(clock)]) as house:
        async with house.database.transaction() as db:
            entries = [
                directory.Entry(code=each, name=each, department="総務課", addresses={"fake": each}) for each in WORDS
            ]
            await directory.save(db, entries)
        async with house.database.transaction() as db:
            opened = await house.surveys.open(db, parse_definition(POLL))
        await house.bot.idle()
        for sender, words in WORDS.items():
            await say(house, sender, 1, "/アンケート")
            press = ButtonPressed(
                adapter="fake",
                key=f"{sender}-press",
                conversation=sender,
                direct=True,
                occurred_at=clock.now(),
                sender=sender,
                message_id="m",
                data=f"survey:answer:{opened.id}:0:2",
            )
            await house.bot.take([press])
            await house.bot.idle()
            await say(house, sender, 2, words)
        await give_one_up(house)
        if closed:
            async with house.database.transaction() as db:
                await house.surveys.close(db, opened.id)
            await house.activity.idle()
            clock.advance(timedelta(seconds=1))
            await house.activity.idle()
        os.kill(os.getpid(), signal.SIGKILL)


async def give_one_up(house: House) -> None:
    """An answer whose handler failed for good."""
    house.bot.inbox.on_arrival(lambda: None)
    await house.bot.inbox.append(
        [
            MessageReceived(
                adapter="fake",
                key="failed",
                conversation="sato-0d2",
                direct=True,
                occurred_at=house.clock.now(),
                sender="sato-0d2",
                message_id="m-failed",
                text=FAILED,
            )
        ]
    )
    [record] = await house.bot.inbox.take(10)
    await house.bot.inbox.fail(record.id, f"ValueError: {FAILED}", None)


if __name__ == "__main__":
    if sys.argv[3] == "lazy":
        plain = sqlite3.connect
        sqlite3.connect = lambda *arguments, **options: plain(*arguments, factory=Lazy, **options)  # type: ignore[assignment] # the same, but for the class
    asyncio.run(night(Path(sys.argv[1]), closed=sys.argv[2] == "closed"))
