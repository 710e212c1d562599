"""Signed bodies that say far too much: kept whole as one event, and nobody else waits while they are looked at.

Work is counted in calls, which a busy machine does not change, and never timed.
"""

from __future__ import annotations

import copy
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from pydantic import ValidationError

from bot import Bot, Router
from bot.adapters import line_wire
from bot.adapters.matrix import Matrix
from bot.bounds import EVENTS_AT_ONCE, bounded
from bot.clock import ManualClock
from bot.errors import MalformedPayload
from bot.events import EVENT, Event, MessageRead, MessageReceived, Unknown, as_text, part
from bot.inbox import SqliteInbox
from bot.inbox.seals import Seals
from bot.serving import serving
from bot.testing.harness import START
from tests.bot.test_hostile_bodies import (
    ADAPTERS,
    LINE,
    LINEWORKS,
    LOGOCHAT,
    MATRIX,
    SIGNED,
    SLACK,
    Json,
    matrix_that_knows_its_rooms,
    parser,
)
from tests.bot.test_web import door, knock

LIMIT = 2**20
ACTIONS: Json = {"type": "block_actions", "user": {"id": "U"}, "container": {"channel_id": "D", "message_ts": "1"}}


def filled(begin: bytes, item: bytes, end: bytes, size: int = LIMIT) -> bytes:
    """A body of `size` bytes at most, with as many items as go into it."""
    return begin + b",".join([item] * ((size - len(begin) - len(end) + 1) // (len(item) + 1))) + end


def with_list(document: Json, name: str, item: bytes) -> bytes:
    before, after = orjson.dumps(document | {name: "@@"}).split(b'"@@"')
    return filled(before + b"[", item, b"]" + after)


def line_event(**changes: Any) -> bytes:
    return orjson.dumps(copy.deepcopy(LINE) | changes)


def calls(work: Callable[[], object]) -> int:
    """How many functions are called, ours and those in C: a measure of the work that no other process disturbs."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


NOTHING = [b"0", b"{}", b'{"type":"x"}']
TOO_MUCH: dict[str, list[bytes]] = {
    "line": [
        *(filled(b'{"events":[', each, b"]}") for each in NOTHING),
        b'{"events":[%s]}'
        % b",".join(
            line_event(webhookEventId=f"e{n}", type="memberJoined", joined={"members": [LINE["source"]] * 200})
            for n in range(50)
        ),
    ],
    "logochat": [filled(b'{"events":[', each, b"]}") for each in NOTHING],
    "matrix": [filled(b'{"events":[', each, b"]}") for each in NOTHING],
    "slack": [with_list(ACTIONS, "actions", b'{"action_ts":"1.2","value":"v"}')],
}


@pytest.mark.parametrize("platform", TOO_MUCH)
def test_more_events_than_a_platform_sends_are_refused_before_they_are_read(platform: str) -> None:
    parse = parser(platform)
    for body in TOO_MUCH[platform]:

        def refused(body: bytes = body) -> None:
            with pytest.raises(MalformedPayload, match=f"no platform sends more than {EVENTS_AT_ONCE:,} at once"):
                parse(body)

        assert calls(refused) < 40 * EVENTS_AT_ONCE, body[:80]


EVENTS: dict[str, tuple[Json, str]] = {
    "line": (LINE, "webhookEventId"),
    "logochat": (LOGOCHAT, "event_id"),
    "matrix": (MATRIX | {"room_id": "!talk:x"}, "event_id"),
}


@pytest.mark.parametrize("platform", EVENTS)
def test_ten_times_what_platforms_send_is_still_read_event_by_event(platform: str) -> None:
    document, key = EVENTS[platform]
    adapter = ADAPTERS[platform](ManualClock(START))
    if isinstance(adapter, Matrix):
        adapter._rooms.add_direct("@a:x", "!talk:x")
    events = adapter.parse(orjson.dumps({"events": [document | {key: f"e{n}"} for n in range(EVENTS_AT_ONCE)]}))
    assert [event.key for event in events] == [f"e{number}" for number in range(EVENTS_AT_ONCE)]
    assert {type(event) for event in events} == {MessageReceived}


def kept(path: Path) -> list[str]:
    """The bodies that stand in an inbox's file as events that nobody can read."""
    with closing(sqlite3.connect(path)) as file:
        seals = Seals(path, durable=False)
        seals.load()
        rows = file.execute("SELECT payload FROM events ORDER BY id")
        found = [EVENT.validate_json(seals.unseal(row) or b"") for (row,) in rows]
    assert all(isinstance(event, Unknown) for event in found)
    return [event.payload for event in found if isinstance(event, Unknown)]


@pytest.mark.parametrize("platform", SIGNED)
async def test_too_many_events_get_one_200_and_are_one_row_that_can_be_read_and_replayed(
    tmp_path: Path, platform: str
) -> None:
    inbox = SqliteInbox(tmp_path / "inbox.sqlite3", ManualClock(START), durability="process")
    await inbox.open()
    bot = Bot(Router(), [ADAPTERS[platform](ManualClock(START))], storage=tmp_path / "bot", inbox=inbox)
    async with bot, serving(bot.web_server(), "127.0.0.1", 0) as port, aiohttp.ClientSession() as client:
        for body in TOO_MUCH[platform]:
            headers = dict([SIGNED[platform](body)])
            for _ in range(2):  # a platform that missed the answer sends it again
                async with client.post(
                    f"http://127.0.0.1:{port}/webhooks/{platform}", data=body, headers=headers
                ) as answer:
                    assert answer.status == 200
            await bot.idle()
            newest, *others = await inbox.failed()
            assert "It is kept whole" in newest.error
            assert await inbox.replay(newest.id)
            await bot.idle()
            assert [each.id for each in await inbox.failed()] == [newest.id, *(each.id for each in others)]
    await inbox.close()
    assert kept(tmp_path / "inbox.sqlite3") == [body.decode() for body in TOO_MUCH[platform]]


async def test_an_adapter_without_a_bound_of_its_own_is_bounded_at_the_door() -> None:
    def read(number: int) -> Event:
        return MessageRead(
            adapter="fake", key=f"r{number}", conversation="a", occurred_at=START, reader="a", message_id="m"
        )

    async with door() as (harness, client):
        assert await knock(harness, client, harness.platform.encode(*map(read, range(EVENTS_AT_ONCE + 1)))) == 200
        await harness.idle()
        (failed,) = await harness.inbox.failed()
        assert "It is kept whole" in failed.error


async def test_what_an_error_says_of_a_body_is_not_as_long_as_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(body: bytes) -> Sequence[Event]:
        raise ValueError(body)

    async with door() as (harness, client):
        monkeypatch.setattr(harness.platform, "parse", stumble)
        assert await knock(harness, client, b"x" * 100_000) == 200
        await harness.idle()
        (failed,) = await harness.inbox.failed()
        assert 0 < len(failed.error) <= 1_000


# ------------------------------------------------- one event that says too much


@pytest.mark.parametrize("item", [b"0", b"{}", b'{"type":"user","userId":"U"}'])
def test_a_line_event_with_too_many_members_is_one_unknown_event(item: bytes) -> None:
    joined = line_event(type="memberJoined", joined={"members": "@@"}).replace(
        b'"@@"', filled(b"[", item, b"]", 900_000)
    )
    (event,) = parser("line")(b'{"events":[%s]}' % joined)
    assert isinstance(event, Unknown)
    assert event.reason.endswith(f"and {EVENTS_AT_ONCE:,} at most are read")


def test_a_list_of_mistakes_is_one_mistake() -> None:
    """The errors of half a million mistakes took five seconds to be made, for the sake of the first."""
    document = copy.deepcopy(LINE)
    document["message"]["mention"]["mentionees"] = [0] * EVENTS_AT_ONCE
    with pytest.raises(ValidationError) as mistakes:
        line_wire.MessageEvent.model_validate(document)
    assert mistakes.value.error_count() == 1


def test_a_lineworks_callback_with_too_many_members_is_one_unknown_event() -> None:
    def members(number: int) -> Sequence[Event]:
        callback = LINEWORKS | {"type": "joined", "members": [f"u{member}" for member in range(number)]}
        return parser("lineworks")(orjson.dumps(callback))

    assert len(members(EVENTS_AT_ONCE)) == EVENTS_AT_ONCE
    (event,) = members(EVENTS_AT_ONCE + 1)
    assert isinstance(event, Unknown)
    assert f"{EVENTS_AT_ONCE:,} at most" in event.reason


def test_the_bots_own_name_is_taken_out_wherever_it_stands() -> None:
    text = "@回覧板 /既読 @回覧板 3 😀@回覧板"
    units = text.encode("utf-16-le")
    name = "@回覧板".encode("utf-16-le")
    places, at = [], units.find(name)
    while at >= 0:
        places.append({"index": at // 2, "length": len(name) // 2, "isSelf": True})
        at = units.find(name, at + 1)
    assert len(places) == 3
    mention = line_wire.Mention.model_validate({"mentionees": [*places, {"index": 5, "length": 3}]})
    assert line_wire.without_mention(text, mention) == "/既読  3 😀"
    overlapping = line_wire.Mention.model_validate(
        {"mentionees": [{"index": n, "length": 3, "isSelf": True} for n in range(3)]}
    )
    assert line_wire.without_mention("abcdefg", overlapping) == "fg"


def test_a_slack_message_from_a_host_of_bots_loses_their_names_in_one_go() -> None:
    bots = [{"is_bot": True, "user_id": f"B{number}"} for number in range(2_000)]
    event = SLACK["event"] | {"text": "<@B1> <@B2>hear <@U7> <@B99999>"}
    body = orjson.dumps(SLACK | {"authorizations": bots, "event": event})
    (heard,) = parser("slack")(body)
    assert isinstance(heard, MessageReceived)
    assert heard.text == "hear <@U7> <@B99999>"


# ------------------------------------------------------------------------ Matrix


def matrix_with_messages(count: int) -> Matrix:
    """One that has said `count` things in a room, and `$0` first."""
    adapter = matrix_that_knows_its_rooms(ManualClock(START))
    said = [
        {"event_id": f"${number}", "type": "m.room.message", "origin_server_ts": number, "content": {}}
        for number in range(count)
    ]
    adapter._rooms["!r:x"].load(said, b"")
    return adapter


def receipts(people: int, event: str) -> bytes:
    readers = {f"@u{number}:x": {"ts": 1} for number in range(people)}
    content = {event: {"m.read": readers}}
    ephemeral = [{"type": "m.receipt", "room_id": "!r:x", "content": content}]
    return orjson.dumps({"events": [], "ephemeral": ephemeral})


def test_receipts_that_say_more_than_one_request_may_are_fetched_and_not_lost() -> None:
    matrix = matrix_with_messages(200)
    first = matrix.parse(receipts(4, "$199"))
    assert len(first) == 4 * 200
    assert not matrix._gap.is_set()
    second = matrix.parse(receipts(350, "$199"))
    assert matrix._gap.is_set(), "`listen` is rung, and asks the homeserver for the rest"
    assert len(bounded(second)) <= EVENTS_AT_ONCE
    assert {type(event) for event in second} == {MessageRead}


def test_a_megabyte_of_receipts_is_left_to_be_fetched() -> None:
    matrix = matrix_with_messages(200)
    body = receipts(40_000, "$nobody knows")
    assert calls(lambda: matrix.parse(body)) < 1_000
    assert matrix._gap.is_set()


# ------------------------------------------------------------- bytes and brackets


def test_bytes_that_are_no_text_are_written_as_python_writes_them() -> None:
    for body in [
        *(
            b"\xff",
            b"a\xffb\xfe",
            b"\xed\xb3\xbf",
            "回覧板".encode()[:-1],
            b"\xf0\x9f\x98\x80\xff",
            b"\xff\\udcff",
            b"\0\xff",
        ),
        *(bytes([first, second]) for first, second in pairwise(range(256))),
    ]:
        assert as_text(body) == body.decode("utf-8", "backslashreplace").replace("\0", "\\x00"), body
    assert as_text("回覧板\0".encode()) == "回覧板\\x00"


def test_a_deep_event_costs_a_call_for_each_bracket_and_none_for_each_word() -> None:
    deep: object = []
    for _ in range(300):
        deep = [deep]
    small, large = ({"deep": deep, "long": list(range(size)), "empty": [{}] * size} for size in (10, 20_000))
    assert calls(lambda: part(large)) - calls(lambda: part(small)) <= 20_000, "each is looked at, and no more"
    kept = orjson.loads(part(large))
    assert (kept["long"], kept["empty"]) == (large["long"], large["empty"])
