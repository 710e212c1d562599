"""Whatever is sent, the answer is a problem document that says what to mend, and nothing has changed."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import aiohttp
import orjson
import pytest

from tests.trial_service.conftest import ADMIN, City, Client
from trial.service import Limits, Rate
from trial.service.limits import Buckets
from trial.service.problems import TooManyRequests
from trial.service.service import ROUTES

NONSENSE: list[Any] = [
    b"",
    b"{",
    b"\xff\xfe",
    b'{"text": "\\ud800"}',
    b"[" * 5_000,
    b"null",
    b"[]",
    b'"text"',
    b"12",
    {},
    {"unknown": 1},
    {"text": 5},
    {"text": None},
    {"text": ""},
    {"text": ["a"]},
    {"text": "a", "colour": "red"},
    {"text": "a", "stamp": "b"},
    {"text": "a", "mentions": "u1"},
    {"text": "a", "mentions": [1]},
    {"text": "a", "mentions": ["u1"] * 351},
    {"text": "a", "quote": 7},
    {"text": "a", "quote": "m99999999999999999999999999"},
    {"text": "a", "quote": "'; DROP TABLE messages; --"},
    {"text": "a" * 5_001},
    {"stamp": "a" * 51},
    {"location": {}},
    {"location": {"latitude": 91, "longitude": 0}},
    {"location": {"latitude": "35", "longitude": 139}},
    b'{"location": {"latitude": NaN, "longitude": 0}}',
    {"location": {"latitude": 35, "longitude": 139, "altitude": 3}},
]


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body)[:40])
async def test_a_message_that_makes_no_sense_is_refused_and_not_written(city: City, body: Any) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    reply = await alice.post(f"/v1/rooms/{room}/messages", body)
    assert reply.status in {400, 422}
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert reply["status"] == reply.status
    assert reply["detail"]
    assert (await alice.get(f"/v1/rooms/{room}/messages"))["messages"] == []


async def test_a_problem_names_every_wrong_field_but_repeats_no_value(city: City) -> None:
    reply = await city.admin.post("/v1/admin/users", {"users": [{"login": "a", "name": 3, "password": "secret"}]})
    assert reply.status == 422
    assert {error["field"] for error in reply["errors"]} == {"users.0.name", "users.0.password"}
    assert "secret" not in orjson.dumps(reply.body).decode()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_every_operation_survives_strangers_unknown_ids_and_nonsense(city: City, route: Any) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    callers = {"anyone": alice, "person": alice, "bot": bot, "admin": city.admin}
    if route.path == "/v1/ws":
        assert (await alice.get(route.path)).status == 400
        return
    stranger = Client(city.session, city.service.url, "wrong")
    somewhere = re.sub(r"\{\w+\}", "x1", route.path)
    if route.caller != "anyone":
        refused = await stranger.call(route.method, somewhere, {})
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        other = callers["bot" if route.caller == "person" else "person"]
        assert (await other.call(route.method, somewhere, {})).status == 401
    for name in ("r99", "x", "m-1", "m1'--", "m٣", "r0", "%00", "9" * 300):
        for body in (b"{", b"[]", b'{"text":"a"}'):
            path = re.sub(r"\{\w+\}", name.replace("\\", ""), route.path)
            reply = await callers[route.caller].call(route.method, path, body)
            fine = "{" not in route.path and route.body is None
            # A bookmark that is not there can be taken away as often as one likes.
            assert reply.status < 500, (path, body, reply)
            assert fine or reply.status >= 400 or route.method == "DELETE", (path, body, reply)
        if "{" not in route.path:
            break


async def test_a_body_over_the_limit_is_413(city: City) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    body = io.BytesIO(b'{"text":"' + b"a" * 1_100_000 + b'"}')
    reply = await alice.call("POST", f"/v1/rooms/{room}/messages", None, data=body)
    assert (reply.status, "1048576 bytes" in reply["detail"]) == (413, True)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=201", "before=zzz", "before=m0", "page=2"])
async def test_a_query_that_makes_no_sense_is_refused(city: City, query: str) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    assert (await alice.get(f"/v1/rooms/{room}/messages?{query}")).status in {404, 422}


async def test_addresses_and_methods_that_are_not_there_are_problems_too(city: City) -> None:
    (alice,) = await city.join("alice")
    assert (await alice.get("/v2/rooms"))["status"] == 404
    wrong = await alice.put("/v1/rooms")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET, POST")
    assert "GET or POST" in wrong["detail"]


async def test_signing_in_needs_the_right_password_and_signing_out_ends_it(city: City) -> None:
    (alice,) = await city.join("alice")
    stranger = Client(city.session, city.service.url, "")
    for login, password in (("alice1", "wrong"), ("nobody", "kairanban")):
        refused = await stranger.post("/v1/login", {"login": login, "password": password})
        assert (refused.status, refused["detail"]) == (401, "Login or password is wrong.")
    me = {"user_id": alice.id, "login": "alice1", "name": "職員1", "department": "総務課", "can_broadcast": False}
    assert (await alice.get("/v1/me")).body == me
    again = await city.sign_in("alice1")
    assert (await alice.post("/v1/logout")).status == 204
    assert (await alice.get("/v1/me")).status == 401
    assert (await again.get("/v1/me")).status == 200


async def test_people_are_changed_by_login_and_a_new_password_signs_them_out(city: City) -> None:
    (alice,) = await city.join("alice")
    same = {"login": "alice1", "name": "新しい名", "department": "税務課", "password": "kairanban"}
    assert (await city.admin.post("/v1/admin/users", {"users": [same]}))["users"][0]["user_id"] == alice.id
    assert (await alice.get("/v1/me"))["name"] == "新しい名"
    assert (await city.admin.post("/v1/admin/users", {"users": [{**same, "password": "changed-it"}]})).status == 200
    assert (await alice.get("/v1/me")).status == 401
    assert (await city.admin.post("/v1/admin/users", {"users": [same, same]})).status == 422


async def test_a_reset_token_is_worth_nothing_and_a_bot_known_by_name_stays_the_same_bot(city: City) -> None:
    bot = await city.bot()
    secret = city.receiver.secret
    reset = await city.admin.post(f"/v1/admin/bots/{bot.id}/token")
    assert (await bot.get("/bot/v1/users")).status == 401
    assert (await Client(city.session, city.service.url, reset["token"]).get("/bot/v1/users")).status == 200
    again = await city.bot()
    assert (again.id, city.receiver.secret) == (bot.id, secret)
    assert (await city.admin.post("/v1/admin/bots/b9/token")).status == 404
    for url in ("ftp://a/b", "http://", "nonsense", "http://user:pw@host/", "http://a b/"):
        assert (await city.admin.post("/v1/admin/bots", {"name": "x", "callback_url": url})).status == 422, url


async def test_people_are_found_by_name_and_listed_page_by_page(city: City) -> None:
    ids = await city.people(5)
    (alice,) = await city.join("alice")
    bot = await city.bot()
    found = await alice.get("/v1/users?query=s4")
    assert [user["user_id"] for user in found["users"]] == [ids[3]]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await bot.get(f"/bot/v1/users?limit=4{cursor}")
        seen += [user["login"] for user in page["users"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["s1", "s2", "s3", "s4", "s5", "alice1"]
    assert (await bot.get("/bot/v1/users?cursor=zzz")).status == 422


class TestCallingTooOften:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(person=Rate(1, 3), bot=Rate(2, 2), login=Rate(0.1, 2))

    async def test_too_many_calls_are_429_with_the_time_to_wait_and_pass_after_it(self, city: City) -> None:
        (alice,) = await city.join("alice")
        assert [(await alice.get("/v1/me")).status for _ in range(4)] == [200, 200, 200, 429]
        refused = await alice.get("/v1/me")
        assert refused.headers["Retry-After"] == "1"
        city.clock.advance(timedelta(seconds=1))
        assert [(await alice.get("/v1/me")).status for _ in range(2)] == [200, 429]

    async def test_guessing_passwords_is_slowed_down_by_login(self, city: City) -> None:
        await city.people(2)
        guess = Client(city.session, city.service.url, "")
        body = {"login": "s1", "password": "guess"}
        assert [(await guess.post("/v1/login", body)).status for _ in range(3)] == [401, 401, 429]
        assert (await city.sign_in("s2")).id
        assert (await guess.post("/v1/login", body)).headers["Retry-After"] == "10"


def test_buckets_of_callers_long_gone_are_forgotten(clock: Any) -> None:
    buckets = Buckets()
    rate = Rate(1, 1)
    for n in range(10_001):
        buckets.take(str(n), rate, clock.now())
    assert len(buckets) == 10_001
    clock.advance(timedelta(seconds=1))
    for n in range(10_001, 20_010):
        buckets.take(str(n), rate, clock.now())
    assert len(buckets) < 10_100
    with pytest.raises(TooManyRequests):
        buckets.take("20009", rate, clock.now())


async def test_a_token_never_stands_in_an_address_and_the_socket_refuses_a_wrong_one(city: City) -> None:
    for first in ('{"token": "wrong"}', "{}", "nonsense"):
        socket = await city.session.ws_connect(city.service.url + "/v1/ws")
        await socket.send_str(first)
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4401
    socket = await city.session.ws_connect(city.service.url + "/v1/ws")
    await socket.send_bytes(ADMIN.encode())
    assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    assert city.service.activity.is_idle


def test_guessing_at_many_others_does_not_give_back_the_guesses_at_one(clock: Any) -> None:
    buckets, rate = Buckets(), Rate(0.1, 2)
    for _ in range(2):
        buckets.take("login alice", rate, clock.now())
    for other in range(30_000):
        buckets.take(f"login {other}", rate, clock.now())
    with pytest.raises(TooManyRequests):
        buckets.take("login alice", rate, clock.now())
