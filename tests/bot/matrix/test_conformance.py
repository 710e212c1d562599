"""The suite for adapters, over the Matrix adapter and a real Synapse behind a line that can be made bad."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from bot.adapter import Delivery
from bot.messages import Address, Message
from bot.serving import serving
from bot.testing.conformance import AdapterCase, AdapterConformance, Behaviour, SignedBody
from bot.testing.synapse import HOST, Synapse
from tests.bot.matrix.support import Account, Person, running
from tests.bot.matrix.test_matrix import Ear, Staff


class Line:
    """Everything goes through to Synapse; only the sending of messages suffers."""

    def __init__(self, synapse: Synapse, session: aiohttp.ClientSession, witness: Person) -> None:
        self._synapse = synapse
        self._session = session
        self._witness = witness
        self._behaviour: Behaviour = "well"
        self._released = asyncio.Event()

    def behave(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def texts(self) -> Sequence[str]:
        return [str(event["content"].get("body")) for event in self._witnessed()]

    def _witnessed(self) -> list[dict[str, Any]]:
        # Not aiohttp: the suite asks without awaiting. Synapse is another process, so nobody waits for us meanwhile.
        connection = HTTPConnection(HOST, self._synapse.port, timeout=10)

        def get(path: str) -> Any:
            connection.request("GET", f"/_matrix/client/v3/{path}", headers=self._witness.headers)
            return json.loads(connection.getresponse().read())

        found = []
        for room in get("joined_rooms")["joined_rooms"]:
            chunk = get(f"rooms/{room}/messages?dir=b&limit=100")["chunk"]
            found += [event for event in reversed(chunk) if event["type"] == "m.room.message"]
        connection.close()
        return found

    async def pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if "/send/" in request.path:
            match self._behaviour:
                case "busy":
                    problem = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 4_000}
                    return web.json_response(problem, status=429)
                case "broken":
                    return web.json_response({"errcode": "M_UNKNOWN", "error": "Internal server error"}, status=500)
                case "refusing":
                    return web.json_response({"errcode": "M_FORBIDDEN", "error": "User not in room"}, status=403)
                case "gibberish":
                    return web.Response(text="well done")
                case "silent":
                    await self._released.wait()
                case "cut":
                    assert request.transport is not None
                    request.transport.abort()
        headers = {"Authorization": request.headers["Authorization"], "Content-Type": "application/json"}
        address = f"{self._synapse.url}{request.raw_path}"
        async with self._session.request(request.method, address, data=body, headers=headers) as answer:
            return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        async with serving(web.Server(self.pass_on), HOST, 0) as port:
            yield f"http://{HOST}:{port}"
            self._released.set()


def signed(
    account: Account, *said: object, ephemeral: Sequence[object] = (), events: int, unknown: int = 0
) -> SignedBody:
    body = orjson.dumps({"events": said, "ephemeral": ephemeral})
    headers = {"Authorization": f"Bearer {account.registration.hs_token}"}
    return SignedBody(headers, body, events, unknown, covers_body=False)


def event(number: int, room: str, sender: str, kind: str = "m.room.message", **content: object) -> Mapping[str, object]:
    common = {"event_id": f"$e{number}", "room_id": room, "sender": sender, "origin_server_ts": 1_688_400_000_000}
    return {**common, "type": kind, "content": content}


class TestMatrix(AdapterConformance):
    @pytest.fixture
    async def case(
        self, synapse: Synapse, account: Account, staff: Staff, session: aiohttp.ClientSession, folder: Path
    ) -> AsyncIterator[AdapterCase]:
        alice, *others = [await staff() for _ in range(3)]
        line = Line(synapse, session, alice)
        async with line.open() as url:
            matrix = account.adapter(url, timeout=timedelta(seconds=2))
            # What it can read depends on what it knows of its rooms, so it has met the person before.
            async with running(Ear().router, matrix, account, folder):
                hello = Delivery(1, "hello", Address(adapter="matrix", kind="person", id=alice.id), Message(text="。"))
                await matrix.send([hello])
                greeting = await alice.hears()
            talk = greeting["room_id"]
            receipt = {
                "type": "m.receipt",
                "room_id": talk,
                "content": {greeting["event_id"]: {"m.read": {alice.id: {"ts": 5}}}},
            }
            yield AdapterCase(
                adapter=matrix,
                platform=line,
                person=alice.id,
                secrets=[account.registration.as_token, account.registration.hs_token],
                signed=[
                    signed(account, events=0),
                    signed(account, event(1, talk, alice.id, body="こんにちは", msgtype="m.text"), events=1),
                    signed(
                        account,
                        event(1, talk, alice.id, body="こんにちは", msgtype="m.text"),
                        event(2, talk, alice.id, "m.room.encrypted", ciphertext="…"),
                        event(3, talk, alice.id, "jp.example.waved", hand="left"),
                        event(4, talk, alice.id, "m.room.redaction", redacts="$e1"),
                        {"type": "m.room.message", "room_id": talk},
                        "no event",
                        events=6,
                        unknown=4,
                    ),
                    signed(account, ephemeral=[receipt, {"type": "m.typing", "room_id": talk}], events=1),
                ],
                failures=["busy", "broken", "cut", "silent", "refusing", "gibberish"],
                members=[alice.id, *(other.id for other in others)],
            )
