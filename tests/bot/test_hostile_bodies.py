"""Signed bodies with every kind of nonsense in every place: read, or kept; never lost, and nobody else's loss."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from bot import Bot, Context, Router
from bot.adapter import Adapter
from bot.adapters.line import Line
from bot.adapters.lineworks_callbacks import Callbacks
from bot.adapters.logochat import LogoChat
from bot.adapters.matrix import Matrix
from bot.clock import ManualClock, to_tokyo
from bot.errors import MalformedPayload
from bot.events import EVENT, Event, MessageReceived, Unknown
from bot.inbox import SqliteInbox
from bot.serving import serving
from bot.storage import Database
from bot.tables import departments
from bot.testing.harness import START
from examples.slack_adapter import Slack

CASE = Path(__file__).parent / "cases" / "callback_half_emoji.json"
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
LINE_PRESS: Json = LINE | {"type": "postback", "postback": {"data": "x:1", "params": {"datetime": "2023-07-03T00:00"}}}
LINE_GROUP: Json = {"type": "group", "groupId": "C" + "1" * 32}
LINE_PEOPLE: Json = LINE | {
    "type": "memberJoined",
    "source": LINE_GROUP,
    "joined": {"members": [{"type": "user", "userId": ALICE}, {"type": "user", "userId": "U" + "b" * 32}]},
}
LINE_EMOJI: Json = LINE | {
    "message": {
        "id": "m1",
        "type": "text",
        "text": "あ(moon)",
        "emojis": [{"index": 1, "length": 6, "productId": "p", "emojiId": "001"}],
    }
}
LINE_UNSENT: Json = LINE | {"type": "unsend", "unsend": {"messageId": "m1"}}
LINE_FOLLOW: Json = LINE | {"type": "follow", "follow": {"isUnblocked": True}}
LINEWORKS_PEOPLE: Json = {
    "type": "joined",
    "source": {"channelId": "c1", "domainId": 1},
    "issuedTime": "2023-07-03T00:00:00.123Z",
    "members": ["u1", "u2"],
}
LINEWORKS_PRESS: Json = LINEWORKS | {"type": "postback", "data": "x:1"}
LOGOCHAT_PRESS: Json = LOGOCHAT | {"type": "button", "data": "x:1"}
LOGOCHAT_READ: Json = LOGOCHAT | {"type": "read"}
MATRIX_MEMBER: Json = MATRIX | {
    "type": "m.room.member",
    "state_key": "@c:x",
    "content": {"membership": "join"},
    "unsigned": {"prev_content": {"membership": "invite"}},
}
MATRIX_PRESS: Json = MATRIX | {
    "type": "org.matrix.msc3381.poll.response",
    "content": {
        "org.matrix.msc3381.poll.response": {"answers": ["a/b"]},
        "m.relates_to": {"rel_type": "m.reference", "event_id": "$e0"},
    },
}
MATRIX_TAKEN_BACK: Json = MATRIX | {"type": "m.room.redaction", "redacts": "$e0", "content": {"redacts": "$e0"}}
SLACK_PRESS: Json = {
    "type": "block_actions",
    "user": {"id": "U1"},
    "container": {"channel_id": "D1", "message_ts": "1.1"},
    "actions": [{"action_ts": "1.2", "value": "x:1"}, {"action_ts": "1.3", "value": "x:2"}],
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
    "line": (
        [LINE, LINE_PLACE, LINE_PRESS, LINE_PEOPLE, LINE_EMOJI, LINE_UNSENT, LINE_FOLLOW],
        among_others,
        "webhookEventId",
    ),
    "lineworks": ([LINEWORKS, LINEWORKS_PEOPLE, LINEWORKS_PRESS], alone, ""),
    "logochat": ([LOGOCHAT, LOGOCHAT_PRESS, LOGOCHAT_READ], among_others, "event_id"),
    "matrix": ([MATRIX, MATRIX_MEMBER, MATRIX_PRESS, MATRIX_TAKEN_BACK], among_others, "event_id"),
    "slack": ([SLACK, SLACK_PRESS], alone, ""),
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
        good = documents[0] | ({key: "good", "room_id": "!s:x"} if key else {})
        for path in places(document):
            for value in VALUES if key else VALUES[:-1]:  # what cannot be written again the door keeps whole
                body = wrap(spoilt(document, path, value), good)
                tried += 1
                try:
                    events = parse(body)
                except MalformedPayload:
                    assert not key, body  # no JSON: the others stand all the same
                    continue
                assert all(event.key for event in events), body
                assert not key or [event.key for event in events].count("good") == 1, body
                for event in events:
                    assert EVENT.validate_json(EVENT.dump_json(event)) == event
    assert tried > 200


@pytest.mark.parametrize("platform", [name for name, (_, _, key) in EVENTS.items() if key])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_of_several_events_those_that_were_left_alone_come_out_as_ever(platform: str, data: st.DataObject) -> None:
    documents, _, key = EVENTS[platform]
    numbered = [document | {key: f"k{number}"} for number, document in enumerate(documents * 2)]
    if platform == "line":  # the people of one event are events of their own
        numbered = [document for document in numbered if document["type"] != "memberJoined"]
    bad = data.draw(st.sets(st.integers(0, len(numbered) - 1), min_size=1))
    parts = []
    for place, document in enumerate(numbered):
        if place in bad:
            path = data.draw(st.sampled_from(list(places(document))))
            parts.append(spoilt(document, path, data.draw(st.sampled_from([*VALUES, b"{,}", b"[1,]", b"'x'", b""]))))
        else:
            parts.append(orjson.dumps(document))
    parse = parser(platform)
    found = {event.key: event for event in parse(b'{"destination":"U1","events":[%s]}' % b",".join(parts))}
    for place, document in enumerate(numbered):
        [*alone] = parse(b'{"destination":"U1","events":[%s]}' % orjson.dumps(document))
        if place not in bad:
            assert [found[event.key] for event in alone] == alone


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\ude00", rb"\ude00\ud83d", b"\xed\xa0\xbd", b"\xff"])
def test_half_an_emoji_costs_the_one_event_and_not_the_one_beside_it(half: bytes) -> None:
    body = CASE.read_bytes().replace(rb"\ud83d", half)
    good, bad = parser("logochat")(body)
    assert isinstance(good, MessageReceived)
    assert good.text == "/承認"
    assert isinstance(bad, Unknown)
    assert (bad.key, bad.occurred_at) == ("q2", datetime(2026, 12, 1, tzinfo=UTC))
    assert '"message_id":"m2"' in bad.payload


@pytest.mark.parametrize(
    ("platform", "people"),
    [("line", LINE_PEOPLE["joined"]["members"]), ("lineworks", LINEWORKS_PEOPLE["members"])],
)
def test_one_of_several_who_came_in_together_may_be_unreadable(platform: str, people: list[object]) -> None:
    nonsense: list[object] = [None, {}, [], True, {"type": "user"}]
    for unreadable in nonsense:
        members = [people[0], unreadable, people[1]]
        if platform == "line":
            body = b'{"events":[%s]}' % orjson.dumps(LINE_PEOPLE | {"joined": {"members": members}})
        else:
            body = orjson.dumps(LINEWORKS_PEOPLE | {"members": members})
        found = parser(platform)(body)
        assert [event.type for event in found] == ["member_joined", "unknown", "member_joined"]
        assert len({event.key for event in found}) == 3


def test_taking_a_long_body_apart_takes_time_in_proportion_to_it() -> None:
    def seconds(body: bytes) -> float:
        begin = perf_counter()
        with suppress(MalformedPayload):
            parser("line")(body)
        return perf_counter() - begin

    for beginning, again, end in [
        (b'{"events":["', rb"\"", b""),
        (b'{"events":[', b"[", b""),
        (b'{"events":[', b'"",', b"\xff]}"),
        (b'{"events":[{"a":[', b"0,", b"\xff]}]}"),
        (b"", b'{"a":', b"\xff"),
        (b'{"events":[', b'"', b""),
    ]:
        small, large = (beginning + again * (size // len(again)) + end for size in (100_000, 800_000))
        assert min(seconds(large) for _ in range(3)) < 40 * max(min(seconds(small) for _ in range(3)), 0.002), again


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
