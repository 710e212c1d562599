"""The ordinary day: sign in, write, read, press, and what the bot and the others hear of it."""

from __future__ import annotations

import aiohttp
import orjson

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
