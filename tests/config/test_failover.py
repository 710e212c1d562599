"""The closed network fails in the middle of a notice while the Internet works: the whole house, over real HTTP.

The chat service of the rehearsal is stopped and started again on the same port; the second platform is in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bot import directory
from bot.activity import Activity
from bot.adapter import Delivery, Outcome
from bot.adapters.logochat import LogoChat
from bot.clock import TOKYO, ManualClock
from bot.directory import HEADQUARTERS, Entry
from bot.events import MessageRead
from bot.serving import serving
from bot.testing import FakePlatform
from broadcasts.audience import Members
from config.house import House, open_house
from config.settings import Settings
from trial.service import REHEARSAL, ChatService, Limits, Rate

ADMIN = "admin-token"
START = datetime(2023, 10, 2, 9, tzinfo=TOKYO)
CODES = [f"{number:03}" for number in range(1, 31)]
MINUTE = timedelta(minutes=1)
TOLD = "ほかのチャットにもすでに届いているかもしれません"


class Breaking(LogoChat):
    """The real adapter; before its tenth message the line begins to fail, and then the service is gone."""

    city: City

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        self.city.sends += 1
        if self.city.sends != self.city.breaks_at:
            return await super().send(batch)
        await self.city.ask("PUT", "/v1/admin/faults", {"cut": 1.0})  # it acts, and its answer is lost
        outcomes = await super().send(batch)
        await self.city.service.stop()
        return outcomes


@dataclass
class City:
    """A city hall with a chat in its closed network and one on the Internet."""

    service: ChatService
    session: aiohttp.ClientSession
    clock: ManualClock
    activity: Activity
    line: FakePlatform
    house: House
    url: str
    people: dict[str, str]
    sends: int = 0
    breaks_at: int = 10

    async def ask(self, method: str, path: str, body: Any = None, *, token: str = ADMIN) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, self.url + path, headers=headers, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.content_length else None

    async def quiet(self) -> None:
        while not (self.activity.is_idle and self.service.activity.is_idle):
            await self.activity.idle()
            await self.service.activity.idle()
            await asyncio.sleep(0)

    async def advance(self, duration: timedelta) -> None:
        end = self.clock.now() + duration
        await self.quiet()
        while (due := self.clock.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            await self.quiet()
        self.clock.advance_to(end)
        await self.quiet()

    async def send(self, text: str) -> int:
        broadcasts, database = self.house.broadcasts, self.house.database
        async with database.transaction() as db:
            chief = await directory.member_by_code(db, CODES[0])
            assert chief is not None
            ids = [found.id for code in CODES if (found := await directory.member_by_code(db, code)) is not None]
            # Not a standing audience: thirty pair talks instead of one room.
            number = await broadcasts.draft(db, chief, text, audience=Members(ids=tuple(ids)))
            seen = await broadcasts.preview(db, number)
            assert (await broadcasts.confirm(db, number, chief, seen.fingerprint)).outcome == "sent"
        await self.quiet()
        return number

    async def chat_copies(self, number: int) -> tuple[int, int]:
        """How many people have the notice in the chat, and how many messages that is, by the service's own count."""
        counts = (await self.ask("GET", "/v1/admin/statistics"))["references"].get(f"broadcast:{number}")
        return (0, 0) if counts is None else (counts["delivered"], counts["copies"])

    def line_copies(self, number: int) -> dict[str, list[str]]:
        """What each person has of it on the Internet."""
        found: dict[str, list[str]] = {}
        for sent in self.line.sent:
            if sent.reference == f"broadcast:{number}":
                found.setdefault(sent.address.id.removeprefix("line-"), []).append(sent.text)
        return found

    async def read_in_chat(self, code: str, number: int) -> None:
        """Somebody opens the chat's own client and reads."""
        signed_in = await self.ask("POST", "/v1/login", {"login": code, "password": "kairanban"}, token="")
        token = signed_in["token"]
        [room] = [each for each in (await self.ask("GET", "/v1/rooms", token=token))["rooms"] if each["direct"]]
        messages = (await self.ask("GET", f"/v1/rooms/{room['room_id']}/messages", token=token))["messages"]
        [mine] = [each for each in messages if each["reference"] == f"broadcast:{number}"]
        await self.ask("POST", f"/v1/rooms/{room['room_id']}/read", {"message_id": mine["message_id"]}, token=token)
        await self.quiet()

    async def read_on_the_internet(self, code: str, number: int) -> None:
        [mine] = [
            sent
            for sent in self.line.sent
            if sent.address.id == f"line-{code}" and sent.reference == f"broadcast:{number}"
        ]
        reader = f"line-{code}"
        event = MessageRead(
            adapter="line",
            key=f"read-{code}",
            conversation=reader,
            direct=True,
            occurred_at=self.clock.now(),
            reader=reader,
            message_id=mine.id,
        )
        await self.house.bot.take([event])
        await self.quiet()


@asynccontextmanager
async def city_in(folder: Path) -> AsyncIterator[City]:
    clock = ManualClock(START)
    activity = Activity()
    service = ChatService(
        database=folder / "service.sqlite3",
        files=folder / "files",
        clock=clock,
        admin_token=ADMIN,
        password_cost=REHEARSAL,
        limits=Limits(login=Rate(1, 5_000)),
    )
    await service.start()
    line = FakePlatform(clock, "line")
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {ADMIN}"}

        async def admin(path: str, body: Any) -> Any:
            async with session.post(service.url + path, headers=headers, json=body) as response:
                return await response.json()

        users = [{"login": code, "name": code, "department": "総務課", "password": "kairanban"} for code in CODES]
        made = await admin("/v1/admin/users", {"users": users})
        people = dict(zip(CODES, [user["user_id"] for user in made["users"]], strict=True))
        bot = await admin("/v1/admin/bots", {"name": "回覧板", "callback_url": "http://127.0.0.1:1/"})
        chat = Breaking(service.url, bot["token"], bot["secret"], clock=clock, concurrency=1)
        settings = Settings(storage={"folder": folder / "var", "durability": "process"})
        async with open_house(settings, clock=clock, activity=activity, adapters=[chat, line]) as house:
            chat.city = city = City(service, session, clock, activity, line, house, service.url, people)
            async with house.database.transaction() as db:
                await directory.save(
                    db,
                    [
                        Entry(
                            code=code,
                            name=f"職員{code}",
                            department="総務課",
                            roles=[HEADQUARTERS] if code == CODES[0] else [],
                            addresses={"logochat": people[code], "line": f"line-{code}"},
                        )
                        for code in CODES
                    ],
                )
            async with serving(house.bot.web_server(), "127.0.0.1", 0) as port:
                callback = f"http://127.0.0.1:{port}/webhooks/logochat"
                await city.ask("PUT", f"/v1/admin/bots/{bot['bot_id']}", {"callback_url": callback})
                await city.quiet()
                yield city
                await service.stop()


async def test_the_closed_network_fails_and_everybody_is_reached_within_a_minute(tmp_path: Path) -> None:
    async with city_in(tmp_path) as city:
        number = await city.send("本日の会議は中止です。")
        await city.advance(MINUTE - timedelta(seconds=1))

        moved = city.line_copies(number)
        assert sorted(moved) == CODES[9:]  # nine had it before; of the tenth nobody knows
        assert all(len(texts) == 1 for texts in moved.values())
        assert [code for code, [text] in sorted(moved.items()) if TOLD in text] == [CODES[9]]
        assert city.house.bot.outbox.down == {"logochat"}

        # The service comes back: nothing comes again, and what was there is there.
        port = int(city.url.rpartition(":")[2])
        await city.service.start(port=port)
        await city.advance(5 * MINUTE)
        assert await city.chat_copies(number) == (10, 10)
        assert {code: len(texts) for code, texts in city.line_copies(number).items()} == dict.fromkeys(CODES[9:], 1)

        # Read on either, read once.
        await city.read_in_chat(CODES[0], number)
        await city.read_in_chat(CODES[9], number)
        await city.read_on_the_internet(CODES[9], number)
        await city.read_on_the_internet(CODES[20], number)
        status = await city.house.broadcasts.status(number)
        assert (status.recipients, status.read) == (30, 3)

        # The first message afterwards finds that it works, and all go by it again.
        city.breaks_at = 0
        second = await city.send("明日の会議は開きます。")
        await city.advance(timedelta(seconds=30))
        assert await city.chat_copies(second) == (30, 30)
        assert city.line_copies(second) == {}


async def test_a_network_that_fails_for_some_seconds_moves_nobody(tmp_path: Path) -> None:
    async with city_in(tmp_path) as city:
        number = await city.send("本日の会議は中止です。")
        await city.advance(timedelta(seconds=5))
        await city.service.start(port=int(city.url.rpartition(":")[2]))
        await city.advance(5 * MINUTE)
        assert await city.chat_copies(number) == (30, 30)
        assert city.line.sent == []
