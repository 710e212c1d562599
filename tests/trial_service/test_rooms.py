"""Who may be where: 350 members, 300 rooms, and what those who come late may see."""

from __future__ import annotations

import pytest

from tests.trial_service.conftest import City, Client


async def texts(client: Client, room: str) -> list[str]:
    reply = await client.get(f"/v1/rooms/{room}/messages")
    return [message["text"] for message in reply["messages"]]


async def test_a_room_takes_350_members_and_refuses_the_351st_by_name_of_the_limit(city: City) -> None:
    (alice,) = await city.join("alice")
    others = await city.people(350)
    refused = await alice.post("/v1/rooms", {"title": "全員", "members": others})
    assert refused.status == 409
    assert "350" in refused["detail"]
    assert (await alice.get("/v1/rooms"))["rooms"][0]["kind"] == "announcements"
    room = await alice.room(*others[:349])
    assert len((await alice.get(f"/v1/rooms/{room}"))["members"]) == 350
    late = await alice.post(f"/v1/rooms/{room}/members", {"members": [others[349]]})
    assert late.status == 409
    assert len((await alice.get(f"/v1/rooms/{room}"))["members"]) == 350
    again = await alice.post(f"/v1/rooms/{room}/members", {"members": [others[0]]})
    assert again.status == 204, "somebody who is in already takes no place"
    assert (await city.admin.get("/v1/admin/statistics"))["rooms"] == {"count": 1, "largest": 350, "pairs": 0}


async def test_a_bot_is_in_a_room_besides_the_350(city: City) -> None:
    others = await city.people(351)
    bot = await city.bot()
    room = await bot.post("/bot/v1/rooms", {"title": "防災", "members": others[:350]})
    assert room.status == 201
    assert room["members"] == others[:350]
    assert (await bot.post("/bot/v1/rooms", {"title": "防災", "members": others})).status == 409
    assert (await bot.post(f"/bot/v1/rooms/{room['room_id']}/members", {"members": [others[350]]})).status == 409
    assert (await bot.delete(f"/bot/v1/rooms/{room['room_id']}/members", {"members": others[:1]})).status == 204
    assert (await bot.post(f"/bot/v1/rooms/{room['room_id']}/members", {"members": [others[350]]})).status == 204
    assert (await bot.get(f"/bot/v1/rooms/{room['room_id']}"))["members"] == others[1:]


async def test_a_user_is_in_300_rooms_and_refuses_the_301st_by_name_of_the_limit(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    bot = await city.bot()
    for _ in range(300):
        room = await alice.room()
    full = await alice.post("/v1/rooms", {"title": "もう一つ"})
    assert full.status == 409
    assert "300" in full["detail"]
    assert len((await alice.get("/v1/rooms"))["rooms"]) == 301, "300 and the announcements"
    assert (await bob.post("/v1/rooms", {"title": "課", "members": [alice.id]})).status == 409
    assert (await bob.post("/v1/pairs", {"user_id": alice.id})).status == 409
    assert len((await bob.get("/v1/rooms"))["rooms"]) == 1, "nothing of the refused room is left"
    reached = await bot.post("/bot/v1/messages", {"user_id": alice.id, "text": "避難所を開設します"})
    assert reached.status == 201, "a full list of rooms keeps no bot from its person"
    assert (await alice.post(f"/v1/rooms/{room}/leave")).status == 204
    assert (await bob.post("/v1/pairs", {"user_id": alice.id})).status == 200


@pytest.mark.parametrize(("history", "seen"), [("shown", ["前", "後"]), ("hidden", ["後"])])
async def test_who_joins_midway_sees_earlier_messages_only_where_the_room_shows_them(
    city: City, history: str, seen: list[str]
) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(history=history)
    before = await alice.say(room, "前")
    assert (await alice.post(f"/v1/rooms/{room}/members", {"members": [bob.id]})).status == 204
    after = await alice.say(room, "後")
    assert await texts(bob, room) == seen
    hidden = history == "hidden"
    assert (await bob.get(f"/v1/messages/{before}/reads")).status == (404 if hidden else 200)
    assert (await bob.put(f"/v1/messages/{before}/bookmark")).status == (404 if hidden else 204)
    assert (await bob.post(f"/v1/messages/{before}/forward", {"room_id": room})).status == (404 if hidden else 201)
    quote = await bob.post(f"/v1/rooms/{room}/messages", {"text": "はい", "quote": before})
    assert quote.status == (422 if hidden else 201)
    await bob.read(room, after)
    reads = await alice.get(f"/v1/messages/{before}/reads")
    assert reads["readers"] == ([] if hidden else [bob.id])
    assert reads["unread"] == [], "what is hidden from somebody is not unread for them either"
    marked = await bob.post(f"/v1/rooms/{room}/read", {"message_id": before})
    assert marked.status == (404 if hidden else 204)


async def test_who_leaves_a_hidden_room_and_comes_back_sees_neither_what_was_before_nor_between(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(bob.id, history="hidden")
    first = await alice.say(room, "前")
    await bob.read(room, first)
    assert (await bob.post(f"/v1/rooms/{room}/leave")).status == 204
    assert (await bob.get(f"/v1/rooms/{room}")).status == 403
    await alice.say(room, "間")
    assert (await alice.post(f"/v1/rooms/{room}/members", {"members": [bob.id]})).status == 204
    await alice.say(room, "後")
    assert await texts(bob, room) == ["後"]
    assert (await bob.get(f"/v1/rooms/{room}"))["unread"] == 1


async def test_only_the_maker_of_a_room_takes_others_out_and_pair_talks_never_change(city: City) -> None:
    alice, bob, carol = await city.join("alice", "bob", "carol")
    room = await alice.room(bob.id, carol.id)
    path = f"/v1/rooms/{room}/members"
    assert (await bob.delete(path, {"members": [carol.id]})).status == 403
    assert (await alice.delete(path, {"members": [carol.id, "u999"]})).status == 422
    assert (await carol.get(f"/v1/rooms/{room}")).status == 200, "all or none"
    assert (await alice.delete(path, {"members": [carol.id]})).status == 204
    assert (await alice.delete(path, {"members": [carol.id]})).status == 204
    assert (await carol.get(f"/v1/rooms/{room}")).status == 403
    pair = (await alice.post("/v1/pairs", {"user_id": bob.id}))["room_id"]
    assert (await bob.post("/v1/pairs", {"user_id": alice.id}))["room_id"] == pair
    assert (await alice.post(f"/v1/rooms/{pair}/members", {"members": [carol.id]})).status == 409
    assert (await alice.post(f"/v1/rooms/{pair}/leave")).status == 409
    assert (await alice.post("/v1/pairs", {"user_id": alice.id})).status == 422
    assert (await alice.post("/v1/pairs", {"user_id": "u999"})).status == 404
    assert (await alice.get(f"/v1/rooms/{pair}"))["title"] == "職員1"


async def test_a_bot_hears_who_joins_and_leaves_but_not_what_it_did_itself(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    bot = await city.bot()
    room = (await bot.post("/bot/v1/rooms", {"title": "防災", "members": [alice.id]}))["room_id"]
    assert (await alice.post(f"/v1/rooms/{room}/members", {"members": [bob.id]})).status == 204
    assert (await bob.post(f"/v1/rooms/{room}/leave")).status == 204
    assert (await bot.post(f"/bot/v1/rooms/{room}/members", {"members": [bob.id]})).status == 204
    assert (await bot.delete(f"/bot/v1/rooms/{room}/members", {"members": [bob.id]})).status == 204
    other = await alice.room(bot.id)
    await city.quiet()
    assert [(event["type"], event["room_id"], event["user_id"]) for event in city.receiver.events] == [
        ("joined", room, bob.id),
        ("left", room, bob.id),
        ("joined", other, bot.id),
    ]


async def test_two_bots_have_no_pair_talk_and_a_bot_enters_no_room_uninvited(city: City) -> None:
    (alice,) = await city.join("alice")
    bot, other = await city.bot("一"), await city.bot("二")
    room = await alice.room()
    assert (await bot.post("/bot/v1/messages", {"user_id": other.id, "text": "やあ"})).status == 422
    assert (await bot.post("/bot/v1/messages", {"room_id": room, "text": "やあ"})).status == 403
    assert (await bot.post("/bot/v1/messages", {"room_id": "r99", "text": "やあ"})).status == 404
    assert (await bot.post("/bot/v1/messages", {"text": "やあ"})).status == 422
