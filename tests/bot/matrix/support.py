"""Staff of a real Synapse, as their clients would speak for them, and waiting for what a real server does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from bot import Bot, Router
from bot.adapters.matrix import Matrix
from bot.adapters.matrix.registration import Registration
from bot.adapters.matrix.wire import POLL, REFERENCE
from bot.serving import serving
from bot.testing.synapse import HOST, SERVER_NAME, Synapse, free_port

PATIENCE = 120.0
"""Seconds within which everything that a test waits for has happened, on a machine that is busy."""


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Look again and again until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Account:
    """A bot that Synapse knows: its registration, and the port at which Synapse looks for it."""

    registration: Registration
    port: int

    @classmethod
    def new(cls, localpart: str = "kairanban") -> Account:
        port = free_port()
        url = f"http://{HOST}:{port}/webhooks/matrix"
        return cls(Registration(SERVER_NAME, url, localpart, id=localpart), port)

    def write(self, folder: Path) -> Path:
        """The registration in a file of its own."""
        file = folder / f"{self.registration.localpart}.yaml"
        file.write_text(self.registration.as_yaml(), encoding="utf-8")
        return file

    def adapter(self, homeserver: str, **settings: Any) -> Matrix:
        """The bot's adapter."""
        mine = self.registration
        return Matrix(homeserver, mine.as_token, mine.hs_token, mine.user, appservice=mine.id, **settings)


@asynccontextmanager
async def running(router: Router, matrix: Matrix, account: Account, folder: Path) -> AsyncIterator[Bot]:
    """The bot at work where Synapse looks for it."""
    async with Bot(router, [matrix], storage=folder) as bot, serving(bot.web_server(), HOST, account.port):
        yield bot


class Person:
    """One of the staff at their client."""

    _numbers = itertools.count(1)

    def __init__(self, session: aiohttp.ClientSession, synapse: Synapse, login: str, token: str) -> None:
        self._session = session
        self._synapse = synapse
        self.headers = {"Authorization": f"Bearer {token}"}
        self._since: str | None = None
        self._invited: set[str] = set()
        self.id = synapse.mxid(login)
        self.events: dict[str, dict[str, Any]] = {}
        """Everything that was seen in a room, by event id, with its `room_id`."""

    async def call(
        self, method: str, *path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        address = f"{self._synapse.url}/_matrix/client/v3/" + "/".join(quote(part, safe="") for part in path)
        async with self._session.request(method, address, json=body, params=query, headers=self.headers) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, (path, answer)
            return answer

    async def look(self, *, wait: bool = False) -> None:
        """Take in what is new; with `wait`, as soon as something is."""
        query = {"timeout": "5000" if wait else "0"} | ({"since": self._since} if self._since else {})
        answer = await self.call("GET", "sync", query=query)
        self._since = answer["next_batch"]
        for room, joined in answer.get("rooms", {}).get("join", {}).items():
            timeline = joined["timeline"]
            events = list(timeline["events"])
            if timeline["limited"]:
                query = {"dir": "b", "from": timeline["prev_batch"], "limit": "200"}
                events += (await self.call("GET", "rooms", room, "messages", query=query))["chunk"]
            for event in events:
                self.events[event["event_id"]] = {**event, "room_id": room}
                gone = self.events.get(event["content"].get("redacts") or "")
                if event["type"] == "m.room.redaction" and gone is not None:
                    gone["content"] = {}

    def heard(self, reference: str | None = None) -> list[dict[str, Any]]:
        """The bot's messages that are still there, of one reference or all, oldest first."""
        found = [
            event
            for event in self.events.values()
            if event["type"] == "m.room.message"
            and event["sender"].startswith("@kairanban")
            and "body" in event["content"]
            and (reference is None or event["content"].get(REFERENCE) == reference)
        ]
        return sorted(found, key=lambda event: event["origin_server_ts"])

    async def hears(self, reference: str | None = None, count: int = 1, saying: str = "") -> dict[str, Any]:
        """Wait until so many messages are there; the last of them."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.heard(reference) if saying in event["content"]["body"]]

        try:
            async with asyncio.timeout(PATIENCE):
                await self.look()
                while len(found()) < count:
                    await self.look(wait=True)
        except TimeoutError:
            heard = "\n".join(event["content"]["body"] for event in self.heard())
            raise AssertionError(f"{self.id} heard only:\n{heard}") from None
        return found()[-1]

    async def poll(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The poll that belongs to a message."""

        def belongs(event: Mapping[str, Any]) -> bool:
            relation = event["content"].get("m.relates_to", {})
            return bool(event["type"] == POLL and relation.get("event_id") == message["event_id"])

        async with asyncio.timeout(PATIENCE):
            while not any(map(belongs, self.events.values())):
                await self.look(wait=True)
        return next(filter(belongs, self.events.values()))

    async def press(self, message: Mapping[str, Any], label: str) -> None:
        """Choose in the poll of a message."""
        poll = await self.poll(message)
        ids = {each["org.matrix.msc1767.text"]: each["id"] for each in poll["content"][POLL]["answers"]}
        await self.answer(poll, ids[label])

    async def answer(self, poll: Mapping[str, Any], choice: str) -> None:
        """Answer a poll with a choice's id, or with anything at all."""
        content = {
            "m.relates_to": {"rel_type": "m.reference", "event_id": poll["event_id"]},
            "org.matrix.msc3381.poll.response": {"answers": [choice]},
        }
        await self.put(poll["room_id"], "org.matrix.msc3381.poll.response", content)

    async def put(self, room: str, kind: str, content: object) -> str:
        answer = await self.call("PUT", "rooms", room, "send", kind, f"t{next(self._numbers)}", body=content)
        return str(answer["event_id"])

    async def say(self, room: str, text: str, **content: object) -> str:
        return await self.put(room, "m.room.message", {"msgtype": "m.text", "body": text, **content})

    async def read(self, event: Mapping[str, Any]) -> None:
        """Read everything in the event's room up to it."""
        await self.call("POST", "rooms", event["room_id"], "receipt", "m.read", event["event_id"], body={})

    async def talk_to(self, other: str) -> str:
        """Begin a pair talk with somebody."""
        body = {"is_direct": True, "invite": [other], "preset": "trusted_private_chat"}
        return str((await self.call("POST", "createRoom", body=body))["room_id"])


async def person(session: aiohttp.ClientSession, synapse: Synapse, login: str) -> Person:
    """A new account and its client."""
    return Person(session, synapse, login, await synapse.register(session, login, f"password of {login}"))
