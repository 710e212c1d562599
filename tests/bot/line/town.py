"""The whole house on LINE: real webhooks in, real calls out, and a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot import directory
from bot.activity import Activity
from bot.clock import ManualClock
from bot.directory import Entry
from bot.serving import serving
from bot.testing.fakes import FakeLine
from config.house import House, open_house
from config.settings import Settings, Storage
from tests.bot.line.support import START, adapter_for


@dataclass(frozen=True, slots=True)
class Town:
    """A house, its LINE, and its people by their names."""

    line: FakeLine
    house: House
    clock: ManualClock
    people: dict[str, str]

    async def idle(self) -> None:
        await self.house.activity.idle()

    async def say(self, name: str, text: str) -> list[str]:
        """What somebody reads in answer to what they write."""
        before = len(self.line.seen(self.people[name]))
        assert await self.line.say(self.people[name], text) == 200
        await self.idle()
        return [seen.text for seen in self.line.seen(self.people[name])[before:]]

    async def press(self, name: str, button: str) -> list[str]:
        """The same for a button."""
        before = len(self.line.seen(self.people[name]))
        assert await self.line.press(self.people[name], button) == 200
        await self.idle()
        return [seen.text for seen in self.line.seen(self.people[name])[before:]]

    async def advance(self, duration: timedelta) -> None:
        await self.idle()
        end = self.clock.now() + duration
        while (due := self.clock.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            await self.idle()
        self.clock.advance_to(end)
        await self.idle()

    def calls(self) -> list[str]:
        """The calls that sent something."""
        return [call.path.removeprefix("message/") for call in self.line.calls if "quota" not in call.path]


@asynccontextmanager
async def town(folder: Path, names: Sequence[str]) -> AsyncIterator[Town]:
    """The first of the names is of the headquarters."""
    clock = ManualClock(START)
    async with FakeLine(clock) as line:
        people = {name: line.person(name) for name in names}
        entries = [
            Entry(
                f"{number:04}",
                name,
                "総務部",
                addresses={"line": people[name]},
                roles=[] if number else [directory.HEADQUARTERS],
            )
            for number, name in enumerate(names)
        ]
        async with open_town(folder, line, clock, people) as opened:
            async with opened.house.database.transaction() as db:
                await directory.save(db, entries)
            opened.house.broadcasts.roster_changed()
            await opened.idle()
            yield opened


@asynccontextmanager
async def open_town(folder: Path, line: FakeLine, clock: ManualClock, people: dict[str, str]) -> AsyncIterator[Town]:
    """The house in this folder, which may have stood there before."""
    settings = Settings(storage=Storage(folder=folder, durability="process"))
    async with (
        open_house(settings, clock=clock, activity=Activity(), adapters=[adapter_for(line, clock)]) as house,
        serving(house.bot.web_server(), "127.0.0.1", 0) as port,
    ):
        line.webhook = f"http://127.0.0.1:{port}/webhooks/line"
        yield Town(line, house, clock, people)
