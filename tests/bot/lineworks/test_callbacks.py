"""From a LINE WORKS callback to events, whichever of its forms it comes in."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.lineworks import LineWorks
from bot.adapters.lineworks_callbacks import Callbacks
from bot.clock import ManualClock
from bot.errors import MalformedPayload
from bot.events import ButtonPressed, Event, Location, MemberJoined, MemberLeft, MessageReceived, Unknown
from bot.testing.fakes import FakeLineWorks
from tests.bot.lineworks.support import START

CALLBACKS = Callbacks("lineworks", "2000001", ManualClock(START))
ISSUED = datetime(2022, 1, 4, 5, 16, 5, 716_000, tzinfo=UTC)

DOCUMENTED = {
    "type": "message",
    "source": {
        "userId": "c72af563-0f21-4736-11e4-045237113344",
        "channelId": "12345a12-b12c-12d3-e123fghijkl",
        "domainId": 40029600,
    },
    "issuedTime": "2022-01-04T05:16:05.716Z",
    "content": {"type": "text", "text": "hello"},
}
"""As the platform's documentation prints it."""


def read(document: object) -> list[Event]:
    return CALLBACKS.events(orjson.dumps(document))


def one(**changes: Any) -> Event:
    """The single event of the documented callback with other values; None takes a value away."""
    document = {name: value for name, value in {**DOCUMENTED, **changes}.items() if value is not None}
    [event] = read(document)
    return event


def test_a_message_in_a_room() -> None:
    assert one() == MessageReceived(
        adapter="lineworks",
        key=one().key,
        conversation="12345a12-b12c-12d3-e123fghijkl",
        occurred_at=ISSUED,
        sender="c72af563-0f21-4736-11e4-045237113344",
        message_id=one().key,
        text="hello",
    )


def test_without_a_channel_it_is_pair_talk_and_the_answer_goes_to_the_person() -> None:
    event = one(source={"userId": "u1", "domainId": "40029600"})
    assert (event.conversation, event.direct) == ("u1", True)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"type": "sticker", "packageId": "1", "stickerId": "2"}, {"text": "", "files": 0}),
        ({"type": "image", "fileId": "f1"}, {"files": 1}),
        ({"type": "file", "fileId": "f1", "fileName": "a.pdf"}, {"files": 1}),
        (
            {"type": "location", "address": "福島市五老内町", "latitude": 37.76, "longitude": 140.47},
            {"location": Location(latitude=37.76, longitude=140.47, label="福島市五老内町")},
        ),
    ],
)
def test_what_somebody_sends(content: dict[str, object], expected: dict[str, object]) -> None:
    event = one(content=content)
    assert isinstance(event, MessageReceived)
    assert {name: getattr(event, name) for name in expected} == expected


def test_a_button_of_a_template_speaks_as_a_message_and_is_a_press() -> None:
    event = one(content={"type": "text", "text": "無事", "postback": "safety:1:safe"})
    assert isinstance(event, ButtonPressed)
    assert (event.sender, event.data) == ("c72af563-0f21-4736-11e4-045237113344", "safety:1:safe")


def test_who_begins_to_talk_with_the_bot_has_joined_it() -> None:
    begun = {"type": "text", "text": "利用開始", "postback": "start"}
    event = one(source={"userId": "u1", "domainId": 1}, content=begun)
    assert isinstance(event, MemberJoined)
    assert (event.member, event.conversation, event.direct) == ("u1", "u1", True)


def test_a_quick_reply_is_a_press() -> None:
    event = one(type="postback", content=None, data="broadcast:read:7")
    assert isinstance(event, ButtonPressed)
    assert event.data == "broadcast:read:7"


@pytest.mark.parametrize(
    ("kind", "source", "expected"),
    [
        ("join", {"channelId": "c1", "domainId": 1}, (MemberJoined, "2000001", "c1", False)),
        ("leave", {"channelId": "c1", "domainId": 1}, (MemberLeft, "2000001", "c1", False)),
        ("begin", {"userId": "u1", "domainId": 1}, (MemberJoined, "u1", "u1", True)),
        ("end", {"userId": "u1", "channelId": "c9", "domainId": 1}, (MemberLeft, "u1", "u1", True)),
    ],
)
def test_the_bot_comes_and_goes(kind: str, source: dict[str, object], expected: tuple[object, ...]) -> None:
    event = one(type=kind, source=source, content=None)
    assert isinstance(event, MemberJoined | MemberLeft)
    assert (type(event), event.member, event.conversation, event.direct) == expected


def test_several_who_join_at_once_are_an_event_each() -> None:
    events = read({**DOCUMENTED, "type": "joined", "members": ["u1", 42]})
    assert [(type(each), each.member) for each in events if isinstance(each, MemberJoined)] == [
        (MemberJoined, "u1"),
        (MemberJoined, "42"),
    ]
    assert len({each.key for each in events}) == 2
    [left] = read({**DOCUMENTED, "type": "left", "members": ["u1"]})
    assert isinstance(left, MemberLeft)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "waved"}, "no event of the type 'waved'"),
        ({"type": "joined", "members": []}, "no event of the type 'joined'"),
        ({"content": {"type": "hologram"}}, "no event of the type 'message'"),
        ({"content": None}, "no event of the type 'message'"),
        ({"type": "postback"}, "no event of the type 'postback'"),
        ({"source": {"domainId": 1}}, "no event of the type 'message'"),
        ({"issuedTime": None}, "issuedTime"),
        ({"issuedTime": "yesterday"}, "issuedTime"),
        ({"source": {"userId": True}}, "source.userId"),
        ({"content": {"type": "location", "latitude": 91, "longitude": 0}}, "latitude"),
        ({"content": {"type": "location", "address": "どこか"}}, "latitude"),
    ],
)
def test_what_is_not_understood_is_kept_whole_with_a_reason(changes: dict[str, object], reason: str) -> None:
    event = one(**changes)
    assert isinstance(event, Unknown)
    assert reason in event.reason
    kept = orjson.loads(event.payload)
    assert all(kept.get(name) == value for name, value in changes.items())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type": 7}', b"\xff", b'"text"'])
def test_what_is_no_callback_at_all_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        CALLBACKS.events(body)


# ----------------------------------------------------------------------- keys


def test_the_forms_of_one_callback_have_one_key() -> None:
    source = {"userId": "17", "channelId": "c1", "domainId": 1}
    whole_second = {"source": source, "issuedTime": "2022-01-04T05:16:05Z"}
    key = one(**whole_second).key
    assert one(**{**whole_second, "issuedTime": "2022-01-04T05:16:05.000Z"}).key == key
    assert one(**{**whole_second, "issuedTime": "2022-01-04T14:16:05+09:00"}).key == key
    assert one(**{**whole_second, "source": {"userId": 17, "channelId": "c1", "domainId": "1"}}).key == key
    assert one(**{**whole_second, "content": {"text": "hello", "type": "text"}}).key == key


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["u1", "u2"]),
            st.sampled_from([None, "c1"]),
            st.integers(0, 3),
            st.sampled_from(["はい", "いいえ"]),
        ),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_callbacks_that_differ_have_keys_that_differ(said: list[tuple[str, str | None, int, str]]) -> None:
    keys = set()
    for user, channel, second, text in said:
        source = {"userId": user, "domainId": 1} | ({} if channel is None else {"channelId": channel})
        event = one(source=source, issuedTime=f"2022-01-04T05:16:0{second}Z", content={"type": "text", "text": text})
        keys.add(event.key)
    assert len(keys) == 2


def test_the_same_words_at_another_bot_are_another_event() -> None:
    other = Callbacks("lineworks", "2000002", ManualClock(START))
    [event] = other.events(orjson.dumps(DOCUMENTED))
    assert event.key != one().key


# ----------------------------------------------------------------- signatures


def adapter() -> LineWorks:
    works = FakeLineWorks(ManualClock(START))
    return LineWorks(works.bot_id, works.bot_secret, works.account)


SECRET = "bot-secret-of-the-fake"


def headers(body: bytes, *, secret: str = SECRET, bot: str = "2000001") -> dict[str, str]:
    """Made here once more from the documentation, apart from the adapter's own."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-works-botid": bot, "X-Works-Signature": base64.b64encode(digest).decode()}


async def test_the_signature_is_over_the_raw_bytes_in_headers_of_any_case() -> None:
    body = orjson.dumps(DOCUMENTED)
    assert adapter().verify(headers(body), body)
    assert not adapter().verify(headers(body), orjson.dumps(DOCUMENTED, option=orjson.OPT_INDENT_2))
    assert not adapter().verify(headers(body, secret="another"), body)


async def test_a_callback_for_another_bot_is_refused() -> None:
    body = orjson.dumps(DOCUMENTED)
    assert not adapter().verify(headers(body, bot="2000002"), body)
    unnamed = {name: value for name, value in headers(body).items() if name != "x-works-botid"}
    assert not adapter().verify(unnamed, body)
