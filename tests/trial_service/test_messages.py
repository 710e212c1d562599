"""Everything that can be done with a message: quote, mention, stamp, place, delete, forward, bookmark, broadcast."""

from __future__ import annotations

from datetime import timedelta

from tests.trial_service.conftest import City

YES = {"label": "はい", "data": "x"}


async def test_stamps_places_quotes_and_mentions_come_back_as_they_were_sent(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(bob.id)
    first = await alice.say(room, "現場です", mentions=[bob.id, bob.id])
    place = {"latitude": 35.68, "longitude": 139.76, "label": "市役所"}
    for body in ({"stamp": "ok"}, {"location": place, "quote": first}):
        assert (await bob.post(f"/v1/rooms/{room}/messages", body)).status == 201
    said, stamp, where = (await alice.get(f"/v1/rooms/{room}/messages"))["messages"]
    assert said["mentions"] == [bob.id]
    assert (stamp["stamp"], stamp["text"]) == ("ok", None)
    assert (where["location"], where["quote"]) == (place, first)


async def test_history_is_read_back_page_by_page_without_gap_or_repetition(city: City) -> None:
    (alice,) = await city.join("alice")
    room = await alice.room()
    for n in range(7):
        await alice.say(room, str(n))
    pages, before = [], ""
    while True:
        page = await alice.get(f"/v1/rooms/{room}/messages?limit=3{before}")
        pages.append([message["text"] for message in page["messages"]])
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert pages == [["4", "5", "6"], ["1", "2", "3"], ["0"]]


async def test_one_can_take_back_ones_own_message_and_its_content_is_gone_for_everybody(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(bob.id)
    message = await alice.say(room, "間違い")
    assert (await bob.put(f"/v1/messages/{message}/bookmark")).status == 204
    assert (await bob.delete(f"/v1/messages/{message}")).status == 403
    assert (await alice.delete(f"/v1/messages/{message}")).status == 204
    assert (await alice.delete(f"/v1/messages/{message}")).status == 204
    (gone,) = (await bob.get(f"/v1/rooms/{room}/messages"))["messages"]
    assert (gone["deleted"], gone["text"]) == (True, None)
    assert (await bob.get("/v1/bookmarks"))["messages"] == []
    assert (await bob.post(f"/v1/messages/{message}/forward", {"room_id": room})).status == 409
    assert (await bob.get(f"/v1/rooms/{room}"))["unread"] == 0


async def test_forwarding_carries_the_content_but_neither_buttons_nor_reference(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    bot = await city.bot()
    sent = await bot.post(
        "/bot/v1/messages",
        {
            "user_id": alice.id,
            "text": "訓練です",
            "buttons": [{"label": "はい", "data": "x"}],
            "reference": "broadcast:1",
        },
    )
    room = await alice.room(bob.id)
    elsewhere = await bob.room()
    path = f"/v1/messages/{sent['message_id']}/forward"
    assert (await alice.post(path, {"room_id": elsewhere})).status == 403
    assert (await bob.post(path, {"room_id": elsewhere})).status == 404
    assert (await alice.post(path, {"room_id": room})).status == 201
    (copy,) = (await bob.get(f"/v1/rooms/{room}/messages"))["messages"]
    assert (copy["text"], copy["sender"], copy["buttons"], copy["reference"]) == ("訓練です", alice.id, [], None)
    statistics = await city.admin.get("/v1/admin/statistics")
    assert statistics["references"]["broadcast:1"]["copies"] == 1


async def test_a_bookmark_is_ones_own_and_can_be_taken_away(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(bob.id)
    message = await alice.say(room, "手順")
    for _ in range(2):
        assert (await bob.put(f"/v1/messages/{message}/bookmark")).status == 204
    assert [kept["message_id"] for kept in (await bob.get("/v1/bookmarks"))["messages"]] == [message]
    assert (await alice.get("/v1/bookmarks"))["messages"] == []
    for _ in range(2):
        assert (await bob.delete(f"/v1/messages/{message}/bookmark")).status == 204
    assert (await bob.get("/v1/bookmarks"))["messages"] == []


async def test_mentioning_and_quoting_what_is_elsewhere_is_refused_and_writes_nothing(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    room, other = await alice.room(), await alice.room()
    elsewhere = await alice.say(other, "別の部屋")
    path = f"/v1/rooms/{room}/messages"
    assert (await alice.post(path, {"text": "ねえ", "mentions": [bob.id]})).status == 422
    assert (await alice.post(path, {"text": "ねえ", "quote": elsewhere})).status == 422
    assert (await alice.post(path, {"text": "ねえ", "quote": "m999"})).status == 422
    assert (await alice.get(path))["messages"] == []


async def test_a_bot_in_a_room_hears_only_what_mentions_it_and_that_it_was_taken_back(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    room = await alice.room(bot.id)
    await alice.delete(f"/v1/messages/{await alice.say(room, '独り言')}")
    asked = await alice.say(room, "これは？", mentions=[bot.id])
    assert (await alice.delete(f"/v1/messages/{asked}")).status == 204
    await city.quiet()
    assert [(event["type"], event.get("message_id")) for event in city.receiver.events[1:]] == [
        ("message", asked),
        ("deleted", asked),
    ]
    assert not any(event["direct"] for event in city.receiver.events)


async def test_a_bot_takes_back_what_it_sent_and_the_service_no_longer_counts_it(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    body = {
        "user_id": alice.id,
        "text": "誤報",
        "buttons": [{"label": "はい", "data": "x"}],
        "reference": "broadcast:1",
    }
    message = (await bot.post("/bot/v1/messages", body))["message_id"]
    for _ in range(2):
        assert (await bot.delete(f"/bot/v1/messages/{message}")).status == 204
    assert (await alice.post(f"/v1/messages/{message}/buttons", {"data": "x"})).status == 409
    assert (await city.admin.get("/v1/admin/statistics"))["references"] == {}


async def test_only_a_message_s_own_buttons_work_and_only_while_its_bot_is_there(city: City) -> None:
    (alice,) = await city.join("alice")
    bot = await city.bot()
    room = await alice.room(bot.id)
    body = {"room_id": room, "text": "出欠", "buttons": [{"label": "出", "data": "yes"}]}
    path = f"/v1/messages/{(await bot.post('/bot/v1/messages', body))['message_id']}/buttons"
    assert (await alice.post(path, {"data": "no"})).status == 422
    assert (await alice.post(path, {"data": "yes"})).status == 204
    assert (await alice.delete(f"/v1/rooms/{room}/members", {"members": [bot.id]})).status == 204
    assert (await alice.post(path, {"data": "yes"})).status == 409
    await city.quiet()
    assert len(city.receiver.told("button")) == 1


async def test_the_all_staff_broadcast_reaches_everybody_once_and_only_from_accounts_with_the_right(city: City) -> None:
    (alice,) = await city.join("alice")
    await city.people(1, prefix="chief", can_broadcast=True)
    chief = await city.sign_in("chief1")
    await city.people(398)
    assert (await alice.post("/v1/broadcasts", {"text": "勝手に"})).status == 403
    sent = await chief.post("/v1/broadcasts", {"text": "災害対策本部を設置"})
    assert (sent.status, sent["recipients"]) == (201, 400)
    room = sent["room_id"]
    assert (await alice.get(f"/v1/rooms/{room}/messages"))["messages"][0]["text"] == "災害対策本部を設置"
    assert (await alice.get(f"/v1/rooms/{room}"))["members"] == []
    assert (await alice.post(f"/v1/rooms/{room}/messages", {"text": "了解"})).status == 403
    assert (await alice.post(f"/v1/rooms/{room}/leave")).status == 409
    await alice.read(room, sent["message_id"])
    reads = await chief.get(f"/v1/messages/{sent['message_id']}/reads")
    assert (reads["readers"], len(reads["unread"])) == ([alice.id], 398)
    assert (await city.admin.get("/v1/admin/statistics"))["rooms"]["largest"] == 0
    (late,) = await city.join("late")
    assert (await late.get(f"/v1/rooms/{room}/messages"))["messages"] == []


async def test_each_message_knows_when_each_person_read_it_first(city: City) -> None:
    alice, bob = await city.join("alice", "bob")
    room = await alice.room(bob.id)
    messages = [await alice.say(room, str(n)) for n in range(3)]
    await bob.read(room, messages[0])
    first = city.clock.now()
    city.clock.advance(timedelta(minutes=5))
    await bob.read(room, messages[2])
    await bob.read(room, messages[1])
    times = [(await alice.get(f"/v1/messages/{message}/reads"))["read_at"][bob.id] for message in messages]
    later = first + timedelta(minutes=5)
    assert times == [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (first, later, later)]
