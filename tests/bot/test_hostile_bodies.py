"""Signed bodies with every kind of nonsense in every place: read, or kept; never lost, and nobody else's loss."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from sqlalchemy import insert

from bot import Bot, Context, Router
from bot.adapter import Adapter
from bot.adapters.line import Line
from bot.adapters.lineworks_callbacks import Callbacks
from bot.adapters.logochat import LogoChat
from bot.adapters.matrix import Matrix
from bot.clock import ManualClock, to_tokyo
from bot.errors import MalformedPayload
from bot.events import EVENT, Event, MessageReceived
from bot.inbox import SqliteInbox
from bot.serving import serving
from bot.storage import Database
from bot.tables import departments
from bot.testing.harness import START
from examples.slack_adapter import Slack

Json = dict[str, Any]
ALICE = "U" + "a" * 32

LINE: Json = {
    "type": "message",
    "mode": "active",
    "timestamp": 1_688_342_400_123,
    "source": {"type": "user", "userId": ALICE},
    "webhookEventId": "e1",
    "replyToken": "r",
    "message": {
        "id": "m1",
        "type": "text",
        "text": "あ",
        "mention": {"mentionees": [{"index": 0, "length": 1, "isSelf": False}]},
    },
}
LINE_PLACE: Json = LINE | {"message": {"id": "m", "type": "location", "title": "t", "latitude": 1.0, "longitude": 2.0}}
LINEWORKS: Json = {
    "type": "message",
    "source": {"userId": "u1", "channelId": "c1", "domainId": 1},
    "issuedTime": "2023-07-03T00:00:00.123Z",
    "content": {"type": "text", "text": "あ"},
}
LOGOCHAT: Json = {
    "type": "message",
    "event_id": "e1",
    "occurred_at": "2023-07-03T00:00:00Z",
    "room_id": "r1",
    "direct": True,
    "user_id": "u1",
    "message_id": "m1",
    "text": "あ",
    "location": {"latitude": 1.0, "longitude": 2.0, "label": "x"},
    "files": 0,
}
MATRIX: Json = {
    "type": "m.room.message",
    "room_id": "!r:x",
    "sender": "@a:x",
    "event_id": "$e1",
    "origin_server_ts": 1_688_342_400_123,
    "content": {"msgtype": "m.text", "body": "あ", "m.mentions": {"user_ids": ["@b:x"]}},
}
SLACK: Json = {
    "type": "event_callback",
    "event_id": "E1",
    "event_time": 1_688_342_400,
    "authorizations": [{"is_bot": True, "user_id": "B"}],
    "event": {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "text": "あ", "ts": "1.2"},
}

VALUES = [
    *(b"null", b"true", b"0", b"-1", b"1e308", b"9223372036854775808", b"-9223372036854775809", b"9" * 400),
    *(b"253402300799999", b"253402300800000", b"-62135596800001", b"253402300800", b"1e400", b"NaN"),
    *(b'""', b'" "', rb'"\u0000"', rb'"a\u0000b"', rb'"\ud800"', b'"\xff"', rb'"\uffff"', b'"' + b"a" * 20_000 + b'"'),
    *(b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"', b'"2023-02-30T00:00:00Z"', b'"1e10"'),
    *(b"[]", b"{}", b"[null]", b"[{}]", b'{"":null}', b"[" * 300 + b"]" * 300),
]


def among_others(event: bytes, good: Json) -> bytes:
    return b'{"destination":"U1","events":[%s,%s]}' % (event, orjson.dumps(good))


def alone(event: bytes, good: Json) -> bytes:
    return event


def matrix_that_knows_its_rooms(clock: ManualClock) -> Matrix:
    matrix = Matrix("http://127.0.0.1", "a", "h", "@b:x", clock=clock)
    matrix._rooms.learn({})  # as after its first look at the homeserver; before it, everything waits there
    return matrix


EVENTS: dict[str, tuple[list[Json], Callable[[bytes, Json], bytes], str]] = {
    "line": ([LINE, LINE_PLACE], among_others, "webhookEventId"),
    "lineworks": ([LINEWORKS], alone, ""),
    "logochat": ([LOGOCHAT], among_others, "event_id"),
    "matrix": ([MATRIX], among_others, "event_id"),
    "slack": ([SLACK], alone, ""),
}
"""Events of a platform, how one stands in a body, and its field for the event's id where several stand in one."""
ADAPTERS: dict[str, Callable[[ManualClock], Adapter]] = {
    "line": lambda clock: Line("t", "s", clock=clock),
    "logochat": lambda clock: LogoChat("http://127.0.0.1", "t", "s", clock=clock),
    "matrix": matrix_that_knows_its_rooms,
    "slack": lambda clock: Slack("t", "s", clock),
}
LATEST: dict[str, Json] = {
    "line": {"timestamp": 253_402_300_799_999},
    "logochat": {"occurred_at": "9999-12-31T23:59:59Z"},
}


def parser(platform: str) -> Callable[[bytes], Sequence[Event]]:
    clock = ManualClock(START)
    return Callbacks(platform, "1", clock).events if platform == "lineworks" else ADAPTERS[platform](clock).parse


def places(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    for name in document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ():
        yield from places(document[name], (*path, name))


def spoilt(document: Json, path: tuple[str | int, ...], value: bytes) -> bytes:
    """The document as JSON with something else at a place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = "@@"
    return orjson.dumps(changed).replace(b'"@@"', value)


@pytest.mark.parametrize("platform", EVENTS)
def test_nonsense_in_any_place_of_an_event_is_an_event_or_malformed_and_the_next_event_stands(platform: str) -> None:
    documents, wrap, key = EVENTS[platform]
    parse, tried = parser(platform), 0
    for document in documents:
        good = document | ({key: "good", "room_id": "!s:x"} if key else {})
        for path in places(document):
            for value in VALUES if key else VALUES[:-1]:  # what cannot be written again the door keeps whole
                body = wrap(spoilt(document, path, value), good)
                tried += 1
                try:
                    events = parse(body)
                except MalformedPayload:
                    if key:
                        with pytest.raises(orjson.JSONDecodeError):
                            orjson.loads(body)
                    continue
                assert all(event.key for event in events), body
                assert not key or [event.key for event in events].count("good") == 1, body
                for event in events:
                    assert EVENT.validate_json(EVENT.dump_json(event)) == event
    assert tried > 200


SIGNED: dict[str, Callable[[bytes], tuple[str, str]]] = {
    "line": lambda body: ("X-Line-Signature", base64.b64encode(hmac.digest(b"s", body, hashlib.sha256)).decode()),
    "logochat": lambda body: ("X-Chat-Signature", "sha256=" + hmac.digest(b"s", body, hashlib.sha256).hex()),
}


@pytest.mark.parametrize("platform", SIGNED)
async def test_whatever_is_signed_gets_its_200_and_is_handled_or_kept(
    database: Database, tmp_path: Path, platform: str
) -> None:
    """Through the real door, log and dispatcher, and on PostgreSQL too, which takes no NUL."""
    adapter, ((document, *_), _, key) = ADAPTERS[platform](ManualClock(START)), EVENTS[platform]
    router, heard = Router(), list[str]()

    @router.on(MessageReceived)
    async def hear(ctx: Context[MessageReceived]) -> None:
        values = {"code": ctx.event.text, "name": f"{to_tokyo(ctx.event.occurred_at):%Y}"}
        await (await ctx.db()).execute(insert(departments).values(values))
        heard.append(ctx.event.text)

    said = orjson.dumps(document | {key: "good"}).replace("あ".encode(), rb"a\u0000b")
    late = orjson.dumps(document | {key: "late"} | LATEST[platform])
    unreadable = [b"[" * 5_000, b"\xff\0", b"", b"{", b"null"]
    inbox = SqliteInbox(tmp_path / "inbox.sqlite3", ManualClock(START), durability="process")
    await inbox.open()
    bot = Bot(router, [adapter], database=database, inbox=inbox, clock=ManualClock(START))
    async with bot, serving(bot.web_server(), "127.0.0.1", 0) as port, aiohttp.ClientSession() as client:
        for body in (b'{"events":[%s,%s]}' % (said, late), *unreadable):
            headers = dict([SIGNED[platform](body)])
            async with client.post(
                f"http://127.0.0.1:{port}/webhooks/{platform}", data=body, headers=headers
            ) as answer:
                assert answer.status == 200, body[:80]
        await bot.idle()
        assert sorted(heard) == ["a\ufffdb", "あ"]
        assert [each.attempts for each in await inbox.failed()] == [1] * len(unreadable), "set aside, each at once"
        assert inbox.backlog == 0
    await inbox.close()
