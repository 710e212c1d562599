"""Files through the whole house and the real chat service: from an officer's screen to everybody else's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bot import directory
from bot.activity import Activity
from bot.adapters.logochat import LogoChat
from bot.directory import HEADQUARTERS, Entry
from bot.serving import serving
from config.house import open_house
from config.settings import Settings
from tests.trial_service.conftest import City, Client, callback_time_limit, city, clock, limits, service

__all__ = ["callback_time_limit", "city", "clock", "limits", "service"]  # fixtures of the real chat service

TEMPLATE = 'name = "資料"\ntext = "{about}の資料です。"\naudience = ["全職員"]\n'
TEMPLATE += '[[fields]]\nname = "about"\nlabel = "何の資料"\n'


@dataclass
class Hall:
    """An officer and a member of staff at the real chat, and the bot that they talk to."""

    city: City
    officer: Client
    reader: Client
    bot: Client
    activity: Activity
    pairs: dict[str, str] = field(default_factory=dict)

    async def settle(self) -> None:
        while not (self.activity.is_idle and self.city.service.activity.is_idle):
            await self.activity.idle()
            await self.city.service.activity.idle()
            await asyncio.sleep(0)

    async def advance(self, duration: timedelta) -> None:
        clock = self.city.clock
        end = clock.now() + duration
        await self.settle()
        while (due := clock.next_due()) is not None and due <= end:
            clock.advance_to(due)
            await self.settle()
        clock.advance_to(end)
        await self.settle()

    async def screen(self, person: Client) -> list[dict[str, Any]]:
        """Everything that somebody can read in their talks, rooms included, the oldest first."""
        shown: list[dict[str, Any]] = []
        for room in (await person.get("/v1/rooms"))["rooms"]:
            shown += (await person.get(f"/v1/rooms/{room['room_id']}/messages"))["messages"]
        return sorted(shown, key=lambda message: int(message["message_id"][1:]))

    async def give(self, name: str, content: bytes) -> dict[str, Any]:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", content, filename=name)
        sent = await self.officer.call("POST", f"/v1/rooms/{await self.talk()}/files", None, data=form)
        assert sent.status == 201, sent
        return await self.answer()

    async def say(self, text: str) -> dict[str, Any]:
        await self.officer.say(await self.talk(), text)
        return await self.answer()

    async def press(self, message: dict[str, Any], label: str) -> dict[str, Any]:
        data = next(button["data"] for button in message["buttons"] if button["label"] == label)
        reply = await self.officer.post(f"/v1/messages/{message['message_id']}/buttons", {"data": data})
        assert reply.status == 204, reply
        return await self.answer()

    async def talk(self) -> str:
        return str((await self.officer.post("/v1/pairs", {"user_id": self.bot.id}))["room_id"])

    async def answer(self) -> dict[str, Any]:
        await self.settle()
        found = (await self.officer.get(f"/v1/rooms/{await self.talk()}/messages"))["messages"]
        return dict(found[-1])

    async def files(self, text: str) -> list[tuple[str, bytes]]:
        """The files of what the reader has with this text."""
        (message,) = [each for each in await self.screen(self.reader) if text in each["text"]]
        return [
            (each["name"], (await self.reader.get(f"/v1/files/{each['file_id']}")).body) for each in message["files"]
        ]


@asynccontextmanager
async def opened(city: City, folder: Path) -> AsyncIterator[Hall]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    city.receiver.url = f"http://127.0.0.1:{port}/webhooks/logochat"
    officer, reader = await city.join("hq", "a")
    bot = await city.bot()
    (folder / "templates").mkdir()
    (folder / "templates" / "shiryo.toml").write_text(TEMPLATE, encoding="utf-8")
    settings = Settings.model_validate(
        {
            "storage": {"folder": str(folder / "var"), "durability": "process"},
            "broadcasts": {"templates": str(folder / "templates"), "reminder_times": 0},
        }
    )
    adapter = LogoChat(city.service.url, bot.token, city.receiver.secret, clock=city.clock)
    activity = Activity()
    async with open_house(settings, clock=city.clock, activity=activity, adapters=[adapter]) as house:
        entries = [
            Entry("1", "本部 一郎", "危機管理課", roles=[HEADQUARTERS], addresses={"logochat": officer.id}),
            Entry("2", "職員 花子", "総務課", addresses={"logochat": reader.id}),
        ]
        async with house.database.transaction() as db:
            await directory.save(db, entries)
        house.broadcasts.roster_changed()
        async with serving(house.bot.web_server(), "127.0.0.1", port):
            hall = Hall(city, officer, reader, bot, activity)
            await hall.settle()
            yield hall


async def test_an_officers_files_reach_a_colleague_by_template_by_schedule_and_by_correction(
    city: City, tmp_path: Path
) -> None:
    contents = {name: name.encode() * 40_000 for name in ("一覧.csv", "当番表.csv", "直した一覧.csv")}
    async with opened(city, tmp_path) as hall:
        # A template, with the file given in the middle of it.
        asked = await hall.press(await hall.say("/定型"), "資料")
        assert "何の資料" in asked["text"]
        assert "1件預かっています" in (await hall.give("一覧.csv", contents["一覧.csv"]))["text"]
        seen = await hall.say("避難所")
        assert "・一覧.csv（400KB）" in seen["text"]
        assert "届きません" not in seen["text"]
        await hall.press(seen, "送信する")
        assert await hall.files("避難所の資料です。") == [("一覧.csv", contents["一覧.csv"])]

        # A schedule, weeks ahead.
        await hall.give("当番表.csv", contents["当番表.csv"])
        seen = await hall.say("/予約 2023-08-15 09:00 当番表を送ります。")
        await hall.press(seen, "予約する")
        await hall.advance(timedelta(days=30))
        assert not any("当番表を送ります。" in each["text"] for each in await hall.screen(hall.reader))
        await hall.advance(timedelta(days=30))
        assert await hall.files("当番表を送ります。") == [("当番表.csv", contents["当番表.csv"])]

        # A correction.
        await hall.give("直した一覧.csv", contents["直した一覧.csv"])
        seen = await hall.say("/訂正 1 一覧を差し替えます。")
        assert "・直した一覧.csv" in seen["text"]
        await hall.press(seen, "送信する")
        assert await hall.files("一覧を差し替えます。") == [("直した一覧.csv", contents["直した一覧.csv"])]


async def test_where_a_file_is_gone_the_words_of_an_emergency_arrive_all_the_same(city: City, tmp_path: Path) -> None:
    async with opened(city, tmp_path) as hall:
        await hall.give("避難所.pdf", b"%PDF-1.7 ...")
        preview = await hall.say("/一斉 緊急 避難してください。")
        for file in (tmp_path / "var" / "attachments").rglob("*"):
            if file.is_file():
                file.unlink()
        await hall.press(preview, "送信する")
        (message,) = [each for each in await hall.screen(hall.reader) if "避難してください" in each["text"]]
        assert message["files"] == []
        assert "添付ファイル：避難所.pdf" in message["text"]
