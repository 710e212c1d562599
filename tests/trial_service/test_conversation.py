"""The ordinary day: sign in, write, read, press, and what the bot and the others hear of it."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from tests.trial_service.conftest import City, Client


async def frames(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[dict[str, object]]:
    return [orjson.loads((await socket.receive(timeout=5)).data) for _ in range(count)]


async def connect(city: City, client: Client) -> aiohttp.ClientWebSocketResponse:
    socket = await city.session.ws_connect(city.service.url + "/v1/ws")
    await socket.send_json({"token": client.token})
    assert await frames(socket, 1) == [{"type": "ready", "user_id": client.id}]
    return socket


async def test_a_message_reaches_everybody_in_the_room_at_once_and_its_author_sees_who_has_read_it(city: City) -> None:
    alice, bob, carol = await city.join("alice", "bob", "carol")
    room = await alice.room(bob.id)
    async with await connect(city, alice) as hers, await connect(city, bob) as his:
        message = await alice.say(room, "おはようございます")
        (seen,) = await frames(his, 1)
        assert seen["message"]["text"] == "おはようございます"  # type: ignore[index] # JSON
        await bob.read(room, message)
        own, read = await frames(hers, 2)
        assert own["type"] == "message"
        assert (read["type"], read["user_id"], read["message_id"]) == ("read", bob.id, message)
        await city.quiet()
        assert city.service.frames_sent == 5
    reads = await alice.get(f"/v1/messages/{message}/reads")
    assert reads["readers"] == [bob.id]
    assert reads["unread"] == []
    assert (await carol.get(f"/v1/messages/{message}/reads")).status == 404
    assert (await carol.get(f"/v1/rooms/{room}/messages")).status == 403


async def test_the_bot_is_told_what_is_written_to_it_what_is_read_and_what_is_pressed(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    pair = (await alice.post("/v1/pairs", {"user_id": bot.id}))["room_id"]
    asked = await alice.say(pair, "/ping")
    sent = await bot.post(
        "/bot/v1/messages",
        {
            "user_id": alice.id,
            "text": "どちら？",
            "buttons": [{"label": "はい", "data": "poll:1"}],
            "reference": "survey:1",
        },
    )
    assert (sent.status, sent["room_id"]) == (201, pair)
    message = sent["message_id"]
    await alice.read(pair, message)
    await alice.read(pair, message)
    assert (await alice.post(f"/v1/messages/{message}/buttons", {"data": "poll:1"})).status == 204
    await city.quiet()
    events = city.receiver.events
    assert [event["type"] for event in events] == ["joined", "message", "read", "button"]
    assert [event["event_id"] for event in events] == ["e1", "e2", "e3", "e4"]
    assert all(event["direct"] and event["user_id"] == alice.id and event["room_id"] == pair for event in events)
    assert (events[1]["message_id"], events[1]["text"]) == (asked, "/ping")
    assert events[2]["message_id"] == message
    assert events[3]["data"] == "poll:1"
    statistics = await city.admin.get("/v1/admin/statistics")
    assert statistics["references"] == {"survey:1": {"members": 1, "delivered": 1, "copies": 1, "duplicates": 0}}
    assert statistics["active"] == {"2023-07": 1}


async def test_who_signs_out_or_gets_another_password_hears_nothing_more(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    hers, his = await connect(city, alice), await connect(city, bob)
    await alice.post("/v1/logout")
    changed = {"login": "bob1", "name": "職員1", "password": "changed-it"}
    await city.admin.post("/v1/admin/users", {"users": [changed]})
    for socket in (hers, his):
        goodbye = await socket.receive(timeout=5)
        assert (goodbye.type, goodbye.data) == (aiohttp.WSMsgType.CLOSE, 4401)
    await city.quiet()


async def test_a_phone_that_falls_too_far_behind_is_cut_off_and_nobody_waits_for_it(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(bob.id)
    his = await connect(city, bob)
    monkeypatch.setattr("trial.service.hub.BACKLOG", 0)
    await alice.say(room, "一")
    await alice.say(room, "二")
    goodbye = await his.receive(timeout=5)
    assert (goodbye.type, goodbye.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.TRY_AGAIN_LATER)
    await city.quiet()


async def test_a_connection_that_is_torn_is_forgotten(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(bob.id)
    his = await connect(city, bob)
    await his.close()
    for n in range(3):
        await alice.say(room, str(n))
    await city.quiet()
    assert (await bob.get(f"/v1/rooms/{room}"))["unread"] == 3


async def test_everybody_is_told_when_the_service_goes_away(city: City) -> None:
    (alice,) = await city.join("alice")
    socket = await connect(city, alice)
    goodbye = asyncio.create_task(socket.receive(timeout=5))
    await city.service.stop()
    assert (await goodbye).data == aiohttp.WSCloseCode.GOING_AWAY


async def test_a_bot_learns_who_has_read_its_own_messages_alone(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    bot = await city.bot()
    room = await alice.room(bob.id, bot.id)
    sent = await bot.post("/bot/v1/messages", {"room_id": room, "text": "読んでください"})
    said = await alice.say(room, "はい")
    await bob.read(room, said)
    reads = await bot.get(f"/bot/v1/messages/{sent['message_id']}/reads")
    assert reads.body == {"message_id": sent["message_id"], "readers": [bob.id], "unread": [alice.id]}
    assert (await bot.get(f"/bot/v1/messages/{said}/reads")).status == 403
    await city.quiet()
    assert [(event["message_id"], event["user_id"]) for event in city.receiver.told("read")] == [
        (sent["message_id"], bob.id)
    ]
