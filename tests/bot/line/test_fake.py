"""The fake keeps LINE's published rules: whoever breaks one is told so, and in LINE's way."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.clock import ManualClock
from bot.serving import serving
from bot.testing.fakes import FakeLine
from tests.bot.line.support import START

TEXT = {"type": "text", "text": "こんにちは"}
ACTION = {"type": "postback", "label": "はい", "data": "x:1"}


class Caller:
    """A client of LINE's API that need not keep its rules."""

    def __init__(self, line: FakeLine, session: aiohttp.ClientSession) -> None:
        self.line = line
        self.session = session

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any, Any]:
        sent = {"Authorization": f"Bearer {self.line.channel_access_token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(f"{self.line.url}/v2/bot/{path}", json=body, headers=sent) as answer:
            return answer.status, await answer.json(), answer.headers

    async def get(self, path: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.line.channel_access_token}"}
        async with self.session.get(f"{self.line.url}/v2/bot/{path}", headers=headers) as answer:
            return answer.status, await answer.json()

    async def push(self, *messages: object, to: object = None, **headers: str) -> tuple[int, Any, Any]:
        return await self.post("message/push", {"to": to or self.line.person("alice"), "messages": messages}, **headers)


@pytest.fixture
async def caller(line: FakeLine) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(line, session)


def flex(*contents: object, alt: str = "選択", **rest: object) -> dict[str, Any]:
    box = {"type": "box", "layout": "vertical", "contents": list(contents)}
    return {"type": "flex", "altText": alt, "contents": {"type": "bubble", "body": box}, **rest}


def button(**changes: object) -> dict[str, Any]:
    return {"type": "button", "action": {**ACTION, **changes}}


def chips(*actions: object) -> dict[str, Any]:
    return {**TEXT, "quickReply": {"items": [{"type": "action", "action": action} for action in actions]}}


# ------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    "messages",
    [
        [TEXT],
        [TEXT] * 5,
        [{"type": "text", "text": "あ" * 5_000}],
        [flex(button(label="あ" * 40, data="d" * 300))],
        [chips(*[{**ACTION, "label": "あ" * 20}] * 13)],
    ],
)
async def test_what_keeps_the_rules_is_taken_to_their_very_edge(caller: Caller, messages: list[object]) -> None:
    status, answer, _ = await caller.push(*messages)
    assert status == 200
    assert len(answer["sentMessages"]) == len(messages)


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([], "messages"),
        ([TEXT] * 6, "messages"),
        (["text"], "messages[0]"),
        ([{"type": "hologram"}], "messages[0].type"),
        ([TEXT, {"type": "text"}], "messages[1].text"),
        ([{"type": "text", "text": ""}], "messages[0].text"),
        ([{"type": "text", "text": " \n"}], "messages[0].text"),
        ([{"type": "text", "text": "あ" * 5_001}], "messages[0].text"),
        ([{"type": "text", "text": "😀" * 2_501}], "messages[0].text"),
        ([flex(button(), alt="")], "messages[0].altText"),
        ([flex(button(), alt="あ" * 401)], "messages[0].altText"),
        ([flex(button(), contents={"type": "box"})], "messages[0].contents"),
        ([flex(button(), contents={"type": "bubble"})], "messages[0].contents"),
        ([flex(*[button(data="d" * 300)] * 90)], "messages[0].contents"),
        ([flex()], "messages[0].contents.body.contents"),
        ([flex(button(label=""))], "messages[0].contents.body.contents[0].action.label"),
        ([flex(button(label="あ" * 41))], "messages[0].contents.body.contents[0].action.label"),
        ([flex(button(data="d" * 301))], "messages[0].contents.body.contents[0].action.data"),
        ([flex(button(displayText="d" * 301))], "messages[0].contents.body.contents[0].action.displayText"),
        ([flex(button(type="dance"))], "messages[0].contents.body.contents[0].action"),
        ([chips()], "messages[0].quickReply.items"),
        ([chips(*[ACTION] * 14)], "messages[0].quickReply.items"),
        ([chips({**ACTION, "label": "あ" * 21})], "messages[0].quickReply.items[0].action.label"),
        ([{**TEXT, "quickReply": {"items": [{"type": "?"}]}}], "messages[0].quickReply.items[0].type"),
    ],
)
async def test_a_message_that_breaks_a_rule_is_refused_with_its_place(
    caller: Caller, messages: list[object], place: str
) -> None:
    status, answer, _ = await caller.push(*messages)
    assert status == 400
    assert answer["details"][0]["property"] == place
    assert caller.line.seen(caller.line.person("alice")) == []


@pytest.mark.parametrize("call", ["reply", "push", "multicast", "narrowcast", "broadcast"])
async def test_messages_can_be_validated_without_being_sent(caller: Caller, call: str) -> None:
    path = f"message/validate/{call}"
    assert (await caller.post(path, {"messages": [TEXT]}))[0] == 200
    assert (await caller.post(path, {"messages": []}))[0] == 400
    assert (await caller.post(path, {"messages": [TEXT]}, X_Line_Retry_Key=str(uuid.uuid4())))[0] == 400
    assert caller.line.texts() == []


# ------------------------------------------------------------------ recipients


async def test_a_multicast_takes_1_to_500_people_and_no_rooms(caller: Caller) -> None:
    people = [caller.line.person(f"p{number}") for number in range(501)]
    for to, wanted in (
        (people[:500], 200),
        (people, 400),
        ([], 400),
        (people[0], 400),
        ([people[0], "C" + "1" * 32], 400),
        (["alice"], 400),
    ):
        status, _, _ = await caller.post("message/multicast", {"to": to, "messages": [TEXT]})
        assert status == wanted
    assert len(caller.line.texts()) == 500


@pytest.mark.parametrize("to", ["alice", 7, "U" + "9" * 32, "C" + "9" * 32])
async def test_a_push_goes_to_somebody_who_is_known(caller: Caller, to: object) -> None:
    assert (await caller.push(TEXT, to=to))[0] == 400


async def test_a_multicast_passes_over_strangers_and_those_who_blocked_the_bot(caller: Caller) -> None:
    line = caller.line
    alice, bob = line.person("alice"), line.person("bob")
    line.blocked.add(bob)
    status, _, _ = await caller.post("message/multicast", {"to": [alice, bob, "U" + "9" * 32], "messages": [TEXT]})
    assert status == 200
    assert len(line.seen(alice)) == 1
    assert line.texts() == ["こんにちは"]


async def test_a_broadcast_goes_to_every_friend(caller: Caller) -> None:
    alice, bob = caller.line.person("alice"), caller.line.person("bob")
    for call, accepted in (("broadcast", 200), ("narrowcast", 202)):
        assert (await caller.post(f"message/{call}", {"messages": [TEXT]}, X_Line_Retry_Key=str(uuid.uuid4())))[
            0
        ] == accepted
    assert len(caller.line.seen(alice)) == len(caller.line.seen(bob)) == 2


# ------------------------------------------------------------------ retry keys


async def test_a_retry_key_is_accepted_once_in_a_day(caller: Caller, clock: ManualClock) -> None:
    key = str(uuid.uuid4())
    status, first, headers = await caller.push(TEXT, X_Line_Retry_Key=key)
    assert status == 200
    clock.advance(timedelta(hours=23, minutes=59))
    status, second, again = await caller.push(TEXT, X_Line_Retry_Key=key.upper())
    assert status == 409
    assert again["X-Line-Accepted-Request-Id"] == headers["X-Line-Request-Id"] != again["X-Line-Request-Id"]
    assert second["sentMessages"] == first["sentMessages"]
    clock.advance(timedelta(minutes=2))
    assert (await caller.push(TEXT, X_Line_Retry_Key=key))[0] == 200
    assert len(caller.line.texts()) == 2


async def test_a_call_that_failed_leaves_its_retry_key_free(caller: Caller) -> None:
    key = str(uuid.uuid4())
    caller.line.behave("broken", times=1)
    assert (await caller.push(TEXT, X_Line_Retry_Key=key))[0] == 500
    assert (await caller.push(X_Line_Retry_Key=key))[0] == 400
    assert (await caller.push(TEXT, X_Line_Retry_Key=key))[0] == 200


@pytest.mark.parametrize(
    "key",
    ["", "1", "gggggggg-72c9-4370-87bd-e1ab4db54ac6", "9b109fb0b4aa4668ba173abbdc1b81da"],
    ids=["empty", "short", "letters", "bare"],
)
async def test_a_retry_key_is_a_uuid(caller: Caller, key: str) -> None:
    assert (await caller.push(TEXT, X_Line_Retry_Key=key))[0] == 400


async def test_a_reply_takes_no_retry_key(caller: Caller) -> None:
    alice = caller.line.person("alice")
    token = caller.line.event("message", alice, answerable=True)["replyToken"]
    body = {"replyToken": token, "messages": [TEXT]}
    assert (await caller.post("message/reply", body, X_Line_Retry_Key=str(uuid.uuid4())))[0] == 400
    assert (await caller.post("message/reply", body))[0] == 200


# ---------------------------------------------------------------- reply tokens


async def test_a_reply_token_is_good_for_one_reply_and_one_minute(caller: Caller, clock: ManualClock) -> None:
    alice = caller.line.person("alice")
    first, second = (caller.line.event("message", alice, answerable=True)["replyToken"] for _ in range(2))
    assert (await caller.post("message/reply", {"replyToken": first, "messages": [TEXT]}))[0] == 200
    status, answer, _ = await caller.post("message/reply", {"replyToken": first, "messages": [TEXT]})
    assert (status, answer) == (400, {"message": "Invalid reply token"})
    clock.advance(timedelta(seconds=61))
    assert (await caller.post("message/reply", {"replyToken": second, "messages": [TEXT]}))[0] == 400
    assert (await caller.post("message/reply", {"messages": [TEXT]}))[0] == 400
    assert len(caller.line.seen(alice)) == 1


# ---------------------------------------------------------------------- the rest


async def test_a_wrong_token_and_a_wrong_call_are_refused(caller: Caller) -> None:
    assert (await caller.push(TEXT, Authorization="Bearer another"))[0] == 401
    assert (await caller.post("message/shout", {"messages": [TEXT]}))[0] == 404
    assert (await caller.post("message/push", ["no object"]))[0] == 400
    assert (await caller.get("nowhere"))[0] == 404
    headers = {"Authorization": f"Bearer {caller.line.channel_access_token}"}
    url = f"{caller.line.url}/v2/bot/message/push"
    async with caller.session.post(url, data=b"{}", headers=headers) as answer:
        assert answer.status == 415
    async with caller.session.post(url, data=b"{", headers={**headers, "Content-Type": "application/json"}) as answer:
        assert answer.status == 400
    async with caller.session.delete(url, headers=headers) as answer:
        assert answer.status == 405


async def test_the_months_messages_are_counted_by_head_and_come_to_an_end(caller: Caller, clock: ManualClock) -> None:
    line = caller.line
    assert await caller.get("message/quota") == (200, {"type": "none"})
    line.quota = 3
    assert await caller.get("message/quota") == (200, {"type": "limited", "value": 3})
    people = [line.person("alice"), line.person("bob")]
    assert (await caller.post("message/multicast", {"to": people, "messages": [TEXT, TEXT]}))[0] == 200
    assert await caller.get("message/quota/consumption") == (200, {"totalUsage": 2})
    status, answer, headers = await caller.post("message/multicast", {"to": people, "messages": [TEXT]})
    assert (status, answer) == (429, {"message": "You have reached your monthly limit."})
    assert "Retry-After" not in headers
    clock.advance_to(START + timedelta(days=31))
    assert await caller.get("message/quota/consumption") == (200, {"totalUsage": 0})


async def test_people_and_rooms_can_be_looked_at_and_a_room_can_be_left(caller: Caller) -> None:
    line = caller.line
    alice = line.person("alice")
    group = line.room("課", [alice])
    assert (await caller.get("info"))[1]["userId"] == line.destination
    assert (await caller.get(f"profile/{alice}"))[0] == 200
    assert (await caller.get(f"profile/U{'9' * 32}"))[0] == 404
    assert await caller.get(f"group/{group}/members/ids") == (200, {"memberIds": [alice]})
    assert (await caller.post(f"group/{group}/leave", {}))[0] == 200
    assert (await caller.get(f"group/{group}/members/ids"))[0] == 404


async def test_what_people_do_is_posted_signed_and_once_more_on_request(line: FakeLine) -> None:
    alice = line.person("alice")
    got: list[dict[str, Any]] = []

    async def take(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        assert request.headers["X-Line-Signature"] == line.sign(body)["X-Line-Signature"]
        got.append(await request.json())
        return web.Response()

    async with serving(web.Server(take), "127.0.0.1", 0) as port:
        line.webhook = f"http://127.0.0.1:{port}/"
        assert await line.say(alice, "/ping") == 200
        assert await line.redeliver() == 200
        await line.block(alice)
        await line.follow(alice)
        await line.post()
    first, again, gone, come, check = (each["events"] for each in got)
    assert first[0]["webhookEventId"] == again[0]["webhookEventId"]
    assert (first[0]["deliveryContext"], again[0]["deliveryContext"]) == (
        {"isRedelivery": False},
        {"isRedelivery": True},
    )
    assert (gone[0]["type"], come[0]["type"], check) == ("unfollow", "follow", [])


async def test_pressing_what_is_not_there_is_a_mistake_of_the_test(line: FakeLine) -> None:
    with pytest.raises(AssertionError, match="no button"):
        await line.press(line.person("alice"), "はい")
    with pytest.raises(AssertionError, match="posted"):
        await line.redeliver()
    with pytest.raises(AssertionError, match="webhook"):
        await line.say(line.person("alice"), "/ping")
