"""The fake LINE WORKS keeps the platform's rules: a bot that breaks one gets to feel it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import jwt
import orjson
import pytest

from bot.adapters.lineworks_wire import GRANT
from bot.clock import ManualClock
from bot.testing.fakes import FakeLineWorks
from bot.testing.fakes.lineworks_rules import FakeRoom
from tests.bot.lineworks.support import START

TEXT = {"content": {"type": "text", "text": "訓練です"}}


class Caller:
    """Somebody who writes requests by hand."""

    def __init__(self, works: FakeLineWorks, session: aiohttp.ClientSession) -> None:
        self.works = works
        self.session = session
        self.token = ""

    async def ask_for_token(self, *, algorithm: str = "RS256", key: str = "", **changes: Any) -> tuple[int, Any]:
        """Ask with a form that is right but for `changes`, of the form or of the JWT's claims."""
        account, now = self.works.account, int(self.works.clock.now().timestamp())
        claims = {"iss": account.client_id, "sub": account.service_account, "iat": now, "exp": now + 3_600}
        claims.update({name: value for name, value in changes.items() if name in claims})
        form = {
            "assertion": jwt.encode(claims, key or account.private_key, algorithm=algorithm),
            "grant_type": GRANT,
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "scope": "bot bot.read",
        }
        form.update({name: value for name, value in changes.items() if name in form})
        async with self.session.post(self.works.token_url, data=form) as response:
            return response.status, await response.json()

    async def call(
        self, method: str, path: str, document: object = None, *, content_type: str = "application/json"
    ) -> tuple[int, Any, Mapping[str, str]]:
        headers = {"Authorization": f"Bearer {self.token}"}
        if document is not None:
            headers["Content-Type"] = content_type
        url = f"{self.works.api}/bots/{path}"
        body = None if document is None else orjson.dumps(document)
        async with self.session.request(method, url, data=body, headers=headers) as response:
            text = await response.text()
            return response.status, orjson.loads(text) if text else None, response.headers

    async def send(self, document: object = TEXT, **options: Any) -> int:
        status, _, _ = await self.call("POST", "2000001/users/u1/messages", document, **options)
        return status


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with FakeLineWorks(ManualClock(START)) as works, aiohttp.ClientSession() as session:
        caller = Caller(works, session)
        _, answer = await caller.ask_for_token()
        caller.token = answer["access_token"]
        yield caller


# ----------------------------------------------------------------------- tokens


NOW = int(START.timestamp())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "somebody"}, "invalid_grant"),
        ({"sub": "somebody"}, "invalid_grant"),
        ({"exp": NOW + 3_601}, "invalid_grant"),
        ({"exp": NOW - 1, "iat": NOW - 10}, "invalid_grant"),
        ({"iat": NOW + 61, "exp": NOW + 100}, "invalid_grant"),
        ({"iat": str(NOW)}, "invalid_grant"),
        ({"assertion": "no JWT"}, "invalid_grant"),
        ({"algorithm": "HS256", "key": "a secret that is long enough to be no warning"}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "invalid_client"),
        ({"scope": "board"}, "invalid_scope"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_token_is_for_those_who_ask_properly(caller: Caller, changes: dict[str, Any], code: str) -> None:
    status, answer = await caller.ask_for_token(**changes)
    assert (status in {400, 401}, answer["error"]) == (True, code)


async def test_a_request_for_a_token_is_a_form(caller: Caller) -> None:
    async with caller.session.post(caller.works.token_url, json={"grant_type": GRANT}) as response:
        assert (await response.json())["error"] == "unsupported_grant_type"


async def test_a_token_ends(caller: Caller) -> None:
    assert await caller.send() == 201
    caller.works.clock.advance(timedelta(hours=24))  # type: ignore[attr-defined]  # the fixture's is a manual one
    status, answer, _ = await caller.call("POST", "2000001/users/u1/messages", TEXT)
    assert (status, answer["code"]) == (401, "UNAUTHORIZED")
    caller.token = "made up"
    assert await caller.send() == 401


# ----------------------------------------------------------------------- limits


async def test_the_241st_message_of_a_minute_is_too_much(caller: Caller) -> None:
    clock = caller.works.clock
    assert isinstance(clock, ManualClock)
    for _ in range(240):
        assert await caller.send() == 201
    status, answer, headers = await caller.call("POST", "2000001/users/u1/messages", TEXT)
    assert (status, answer["code"]) == (429, "TOO_MANY_REQUESTS")
    told = [headers[f"rateLimit-{name}"] for name in ("limit", "remaining", "reset")]
    assert told == ["240", "0", "60"]
    caller.works.rooms["c1"] = FakeRoom("部屋", ["u1"])
    status, _, headers = await caller.call("POST", "2000001/channels/c1/messages", TEXT)
    assert (status, headers["rateLimit-remaining"]) == (201, "239"), "Each operation has a limit of its own."
    clock.advance(timedelta(seconds=59))
    assert await caller.send() == 429
    clock.advance(timedelta(seconds=1))
    assert await caller.send() == 201
    assert caller.works.busiest_half_hour == 241


async def test_a_free_plan_has_60() -> None:
    async with FakeLineWorks(ManualClock(START), requests_per_minute=60) as works, aiohttp.ClientSession() as session:
        caller = Caller(works, session)
        caller.token = (await caller.ask_for_token())[1]["access_token"]
        assert [await caller.send() for _ in range(61)] == [201] * 60 + [429]


async def test_ten_rooms_are_made_in_a_minute(caller: Caller) -> None:
    room = {"members": ["u1", "u2"], "title": "訓練"}
    for _ in range(10):
        status, answer, _ = await caller.call("POST", "2000001/channels", room)
        assert (status, answer["title"]) == (201, "訓練")
    status, _, _ = await caller.call("POST", "2000001/channels", room)
    assert status == 429


# ---------------------------------------------------------------------- schemas


ACTION: dict[str, object] = {"type": "message", "label": "はい", "postback": "a"}
POSTBACK: dict[str, object] = {"type": "postback", "label": "はい", "data": "a", "displayText": "はい"}


def template(**changes: object) -> dict[str, object]:
    return {"content": {"type": "button_template", "contentText": "?", "actions": [ACTION], **changes}}


def replies(*actions: dict[str, object]) -> dict[str, object]:
    return {"content": {"type": "text", "text": "?", "quickReply": {"items": [{"action": each} for each in actions]}}}


@pytest.mark.parametrize("right", [TEXT, template(), template(actions=[ACTION] * 10), replies(*[POSTBACK] * 13)])
async def test_messages_as_documented_are_taken(caller: Caller, right: object) -> None:
    assert await caller.send(right) == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": {"type": "text", "text": ""}},
        {"content": {"type": "text", "text": "長" * 2_001}},
        {"content": {"type": "text", "text": "訓練", "botId": 1}},
        {"content": {"type": "hologram"}},
        {"text": "訓練"},
        template(actions=[]),
        template(actions=[ACTION] * 11),
        template(actions=[POSTBACK]),
        template(actions=[{**ACTION, "label": "長" * 21}]),
        template(actions=[{**ACTION, "postback": "a" * 301}]),
        template(contentText="長" * 1_001),
        replies(),
        replies(*[POSTBACK] * 14),
        replies({"type": "postback", "label": "はい", "data": "a"}),
    ],
)
async def test_messages_that_are_not_as_documented_are_declined(caller: Caller, wrong: object) -> None:
    assert await caller.send(wrong) == 400
    assert caller.works.messages == []


async def test_a_message_is_json(caller: Caller) -> None:
    assert await caller.send(content_type="text/plain") == 400


@pytest.mark.parametrize("members", [[], ["u1", "u1"], [f"u{number}" for number in range(101)]])
async def test_a_room_is_made_with_one_to_100_different_people(caller: Caller, members: list[str]) -> None:
    status, _, _ = await caller.call("POST", "2000001/channels", {"members": members, "title": "x"})
    assert status == 400


@pytest.mark.parametrize("query", ["count=101", "count=0", "count=many", "cursor=made-up"])
async def test_a_page_has_100_members_at_most_and_a_cursor_of_the_platform(caller: Caller, query: str) -> None:
    caller.works.rooms["c1"] = FakeRoom("部屋", ["u1"])
    status, _, _ = await caller.call("GET", f"2000001/channels/c1/members?{query}")
    assert status == 400


async def test_the_list_of_users_needs_a_scope_of_its_own(caller: Caller) -> None:
    caller.works.people = {"u1": "0001"}
    url = f"{caller.works.api}/users"
    for scope, status in (("bot", 403), ("bot user.read", 200)):
        token = (await caller.ask_for_token(scope=scope))[1]["access_token"]
        async with caller.session.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == status


async def test_a_cursor_must_be_encoded_in_the_address(caller: Caller) -> None:
    caller.works.rooms["c1"] = FakeRoom("部屋", [f"u{number}" for number in range(60)])
    status, answer, _ = await caller.call("GET", "2000001/channels/c1/members")
    cursor = answer["responseMetaData"]["nextCursor"]
    assert (status, len(answer["members"]), "+" in cursor) == (200, 50, True)
    status, _, _ = await caller.call("GET", f"2000001/channels/c1/members?cursor={cursor}")
    assert status == 400


# ------------------------------------------------------------------------- rest


@pytest.mark.parametrize(
    ("method", "path", "document", "status"),
    [
        ("POST", "999/users/u1/messages", TEXT, 403),
        ("POST", "2000001/channels/nowhere/messages", TEXT, 404),
        ("GET", "2000001/channels/nowhere/members", None, 404),
        ("DELETE", "2000001/users/u1/messages/1", None, 404),
    ],
)
async def test_what_there_is_not_is_declined(
    caller: Caller, method: str, path: str, document: object, status: int
) -> None:
    assert (await caller.call(method, path, document))[0] == status


async def test_the_same_message_twice_is_two_messages(caller: Caller) -> None:
    assert [await caller.send(), await caller.send()] == [201, 201]
    assert len(caller.works.messages) == 2


async def test_a_large_room_makes_no_telephone_ring(caller: Caller) -> None:
    for name, size in (("small", 499), ("large", 500)):
        caller.works.rooms[name] = FakeRoom(name, [f"u{number}" for number in range(size)])
        await caller.call("POST", f"2000001/channels/{name}/messages", TEXT)
    assert [message.notified for message in caller.works.messages] == [True, False]


async def test_callbacks_vary_in_what_the_documentation_leaves_open(caller: Caller) -> None:
    events = [caller.works.event("message", "u1", content={"type": "text", "text": "x"}) for _ in range(6)]
    sources: list[Any] = [event["source"] for event in events]
    assert {type(source["domainId"]) for source in sources} == {int, str}
    assert {"." in str(event["issuedTime"]) for event in events} == {True, False}
    assert len({min(caller.works.signed({})[0]) for _ in range(6)}) == 3, "The case of the headers' names."
