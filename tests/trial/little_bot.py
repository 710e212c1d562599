"""A bot of a hundred lines, so that the rehearsal can be tried without the house's own: notices and one survey."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from bot.serving import listening

QUESTIONS: list[tuple[str, list[str]]] = [
    ("frequency:choice", ["毎日", "ときどき", "使わない"]),
    ("feeling:scale", ["1 悪い", "2", "3", "4", "5 良い"]),
    ("helped:multiple", ["早い", "紙が減った", "特にない"]),
    ("hours:number", []),
    ("words:text", ["答えない"]),
]


class LittleBot:
    """Understands `/一斉`, `/既読` and `/アンケート`; answers a callback once all that it asks for has been done."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.answers: dict[str, list[tuple[str, str]]] = {}
        self.reads: list[tuple[str, str, str]] = []
        self._drafts: dict[str, tuple[str, str]] = {}
        self._broadcasts = 0
        self._surveys = 0
        self._asked: dict[str, int] = {}
        self._references: dict[str, str] = {}
        self._everyone: str | None = None
        self._parts = AsyncExitStack()
        self._http: aiohttp.ClientSession | None = None
        self.people: list[str] = []
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/callback", self._callback)
        port = await self._parts.enter_async_context(listening(web.AppRunner(app), "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{port}/callback"

    def connect(self, service_url: str, token: str, people: list[str]) -> None:
        self._http = aiohttp.ClientSession(service_url, headers={"Authorization": f"Bearer {token}"})
        self.people = people

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.close()
        await self._parts.aclose()

    async def _callback(self, request: web.Request) -> web.Response:
        for event in orjson.loads(await request.read())["events"]:
            if event["type"] == "message":
                await self._hear(event["user_id"], event["text"])
            elif event["type"] == "button":
                await self._pressed(event["user_id"], event["data"])
            elif event["type"] == "read":
                reference = self._references[event["message_id"]]
                self.reads.append((reference, event["user_id"], event["occurred_at"]))
        return web.Response()

    async def _hear(self, user: str, text: str) -> None:
        self.texts.append((user, text))
        if text.startswith("/一斉 "):
            word, _, rest = text.removeprefix("/一斉 ").partition(" ")
            mark = f"【{word}】" if word in {"緊急", "訓練"} else "【お知らせ】"
            self._drafts[user] = (mark, rest or word)
            await self._send(user=user, text="確認", buttons=[("送信する", "go"), ("やめる", "stop")])
        elif text.startswith("/アンケート 開始 trial-feedback 締切 "):
            await self._send(user=user, text="確認", buttons=[("始める", "open"), ("やめる", "stop")])
        elif user in self._asked:
            await self._take(user, text)
        else:
            await self._send(user=user, text="はい")

    async def _invite(self, person: str) -> None:
        reference = f"survey:{self._surveys}"
        await self._send(user=person, text="アンケート", buttons=[("回答する", "start")], reference=reference)

    async def _pressed(self, user: str, data: str) -> None:
        if data == "go":
            self._broadcasts += 1
            mark, text = self._drafts.pop(user)
            if self._everyone is None:
                made = await self._post("/rooms", {"title": "全職員", "members": self.people})
                self._everyone = made["room_id"]
            reference = f"broadcast:{self._broadcasts}"
            await self._send(room=self._everyone, text=f"{mark}{text}", reference=reference)
            readers = {who for name, who, _ in self.reads if name == reference}
            for person in self.people:
                if person not in readers:
                    again = f"reminder:{self._broadcasts}:1"
                    await self._send(user=person, text=f"{mark}もう一度", reference=again)
        elif data == "open":
            self._surveys += 1
            for person in self.people:
                await self._invite(person)
                if person == self.people[-1]:
                    await self._invite(person)  # as a reminder would
        elif data == "start":
            self._asked[user] = 0
            await self._ask(user)
        else:
            await self._take(user, data)

    async def _take(self, user: str, answer: str) -> None:
        name = QUESTIONS[self._asked[user]][0]
        self.answers.setdefault(name, []).append((user, answer))
        self._asked[user] += 1
        if self._asked[user] < len(QUESTIONS):
            await self._ask(user)
        else:
            del self._asked[user]
            await self._send(user=user, text="ありがとう", reference=f"survey:{self._surveys}:finished")

    async def _ask(self, user: str) -> None:
        name, labels = QUESTIONS[self._asked[user]]
        buttons = [(label, label) for label in labels]
        await self._send(user=user, text="？", buttons=buttons, reference=f"survey:{self._surveys}:question:{name}")

    async def _send(
        self,
        *,
        text: str,
        user: str | None = None,
        room: str | None = None,
        buttons: list[tuple[str, str]] | None = None,
        reference: str | None = None,
    ) -> None:
        message = {
            "room_id": room,
            "user_id": user,
            "text": text,
            "buttons": [{"label": label, "data": data} for label, data in buttons or []],
            "reference": reference,
        }
        sent = await self._post("/messages", message)
        self._references[sent["message_id"]] = reference or ""

    async def _post(self, path: str, body: object) -> Any:
        assert self._http is not None
        async with self._http.post(f"/bot/v1{path}", json=body) as answer:
            assert answer.status == 201, await answer.text()
            return await answer.json()


class StubbornBot(LittleBot):
    """Never understands an answer, and asks the same question again."""

    async def _take(self, user: str, answer: str) -> None:
        name = QUESTIONS[self._asked[user]][0]
        self.answers.setdefault(name, []).append((user, answer))
        await self._ask(user)
