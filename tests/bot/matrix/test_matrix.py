"""The adapter on a real Synapse: what people do in their clients reaches the bot, what the bot says reaches them."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import Context, Router
from bot.adapter import Delivery, Rejected, Retry, Sent
from bot.adapters.matrix import Matrix
from bot.adapters.matrix.wire import POLL
from bot.events import ButtonPressed, Event, MemberJoined, MemberLeft, MessageRead, MessageReceived, MessageUnsent
from bot.messages import Address, Button, Message
from bot.router import NEXT
from bot.testing.synapse import HOST, Synapse
from tests.bot.matrix.support import Account, Person, person, running, until

Staff = Callable[[], Awaitable[Person]]
CHOICES = (Button(label="はい", data="ask:yes"), Button(label="いいえ", data="ask:no"))


class Ear:
    """A router that notes what it is told, once that is committed: what comes twice is handled once."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.router = Router()

        @self.router.command("ask")
        async def ask(ctx: Context[MessageReceived]) -> None:
            ctx.after_commit(partial(self.heard.append, ctx.event))
            await ctx.reply("無事ですか？", CHOICES, reference="broadcast:1")

        @self.router.bulk(MessageRead)
        async def reads(db: Any, events: Any) -> None:
            self.heard += events

        @self.router.button("ask")
        async def pressed(ctx: Context[ButtonPressed]) -> None:
            ctx.after_commit(partial(self.heard.append, ctx.event))

        for kind in (MessageReceived, MessageUnsent, MemberJoined, MemberLeft):

            @self.router.on(kind)
            async def note(ctx: Context[Any]) -> object:
                ctx.after_commit(partial(self.heard.append, ctx.event))
                return NEXT

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.heard if type(event) is kind]

    async def hears(self, kind: type[Any], count: int = 1) -> Any:
        async def enough() -> bool:
            return len(self.of(kind)) >= count

        await until(enough)
        return self.of(kind)[-1]


def to(person: Person, text: str = "お知らせ", key: str = "k1", **content: Any) -> Delivery:
    address = Address(adapter="matrix", kind="person", id=person.id)
    return Delivery(1, f"{person.id} {key}", address, Message(text=text, **content))


async def sent(matrix: Matrix, delivery: Delivery) -> str:
    [outcome] = await matrix.send([delivery])
    assert isinstance(outcome, Sent), outcome
    assert outcome.message_id is not None
    return outcome.message_id


async def test_a_message_opens_a_pair_talk_and_the_person_answers_in_it(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        await sent(matrix, to(alice, "お知らせ", reference="broadcast:7"))
        notice = await alice.hears("broadcast:7")
        assert notice["content"]["body"] == "お知らせ"
        await alice.say(notice["room_id"], "わかりました")
        event = await ear.hears(MessageReceived)
        assert (event.sender, event.conversation, event.direct) == (alice.id, alice.id, True)
        assert event.text == "わかりました"


@pytest.mark.parametrize("answer", ["press", "２"])
async def test_a_button_is_pressed_in_the_poll_or_by_its_number(
    answer: str, synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        sent_id = await sent(matrix, to(alice, "無事ですか？", buttons=CHOICES))
        question = await alice.hears()
        assert question["content"]["body"] == "無事ですか？\n\n1. はい\n2. いいえ"
        poll = await alice.poll(question)
        if answer == "press":
            await alice.press(question, "いいえ")
        else:
            await alice.say(question["room_id"], answer)
        pressed = await ear.hears(ButtonPressed)
        assert (pressed.data, pressed.message_id, pressed.sender) == ("ask:no", sent_id, alice.id)
        assert poll["content"][POLL]["kind"] == "org.matrix.msc3381.poll.undisclosed"


async def test_a_number_answers_nothing_once_the_bot_has_said_something_else(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        await sent(matrix, to(alice, "無事ですか？", "ask", buttons=CHOICES))
        await sent(matrix, to(alice, "何人いますか？", "how many"))
        question = await alice.hears(count=2)
        await alice.say(question["room_id"], "2")
        assert (await ear.hears(MessageReceived)).text == "2"
        assert ear.of(ButtonPressed) == []


async def test_a_choice_that_was_never_offered_presses_nothing(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice, bob = await staff(), await staff()
        for each in (alice, bob):
            await sent(matrix, to(each, "無事ですか？", buttons=CHOICES))
        mine, his = await alice.poll(await alice.hears()), await bob.poll(await bob.hears())
        stolen = his["content"][POLL]["answers"][0]["id"]
        for forged in ("ask:yes", "x" * 16 + mine["event_id"] + "/ask:yes", stolen, ""):
            await alice.answer(mine, forged)
        await alice.say(mine["room_id"], "おわり")
        await ear.hears(MessageReceived)
        assert ear.of(ButtonPressed) == []


async def test_a_receipt_for_the_latest_message_reads_all_of_the_bots_before_it(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        first, second = [await sent(matrix, to(alice, text, text)) for text in ("一", "二")]
        await alice.hears(count=2)
        room = alice.heard()[0]["room_id"]
        mine = await alice.say(room, "見ました")
        third = await sent(matrix, to(alice, "三", "三"))
        await alice.read({"room_id": room, "event_id": mine})  # not one of the bot's own
        await ear.hears(MessageRead, 2)
        assert {event.message_id for event in ear.of(MessageRead)} == {first, second}
        await alice.read(await alice.hears(count=3))
        assert (await ear.hears(MessageRead, 3)).message_id == third
        assert {event.reader for event in ear.of(MessageRead)} == {alice.id}


async def test_in_a_room_of_several_only_what_is_said_to_the_bot_is_heard(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice, bob = await staff(), await staff()
        room = await matrix.create_room("防災課", [alice.id, bob.id], key="r1")
        await ear.hears(MemberJoined, 2)
        assert set(await matrix.room_members(room)) == {alice.id, bob.id}
        await alice.say(room, "お昼にしましょう")
        mentions = {"user_ids": [matrix.user]}
        await alice.say(room, "回覧板: ！ask", **{"m.mentions": mentions})
        heard = await ear.hears(MessageReceived)
        assert (heard.text, heard.conversation, heard.direct) == ("/ask", room, False)
        question = await alice.hears("broadcast:1")
        assert question["room_id"] == room
        await bob.hears("broadcast:1")
        await bob.press(question, "はい")
        assert (await ear.hears(ButtonPressed)).conversation == room
        assert len(ear.of(MessageReceived)) == 1
        await bob.call("POST", "rooms", room, "leave", body={})
        assert (await ear.hears(MemberLeft)).member == bob.id


async def test_what_is_taken_back_is_gone_with_its_buttons(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        delivery = to(alice, "まちがい", buttons=CHOICES)
        sent_id = await sent(matrix, delivery)
        poll = await alice.poll(await alice.hears())
        back = Delivery(2, "back", delivery.address, delivery.message, "delete", sent_id)
        assert await matrix.send([back]) == [Sent()]
        assert await matrix.send([back]) == [Sent()]
        for event in (sent_id.partition("/")[2], poll["event_id"]):
            gone = await alice.call("GET", "rooms", poll["room_id"], "event", event)
            assert gone["content"].keys() <= {"m.relates_to"}
        nowhere = Delivery(3, "back nothing", delivery.address, delivery.message, "delete", None)
        assert isinstance((await matrix.send([nowhere]))[0], Rejected)


async def test_a_person_takes_a_message_back(synapse: Synapse, account: Account, staff: Staff, folder: Path) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        await sent(matrix, to(alice))
        room = (await alice.hears())["room_id"]
        event = await alice.say(room, "ちがった")
        await alice.call("PUT", "rooms", room, "redact", event, "undo", body={})
        assert (await ear.hears(MessageUnsent)).message_id == f"{room}/{event}"


async def test_whoever_left_the_pair_talk_is_invited_again(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        await sent(matrix, to(alice))
        room = (await alice.hears())["room_id"]
        await alice.call("POST", "rooms", room, "leave", body={})
        assert (await ear.hears(MemberLeft)).direct
        await sent(matrix, to(alice, "もう一度", "again", reference="again"))
        assert (await alice.hears("again"))["room_id"] == room


async def test_a_pair_talk_that_a_person_begins_is_theirs(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        room = await alice.talk_to(matrix.user)
        await alice.say(room, "!ask")
        assert (await alice.hears("broadcast:1"))["room_id"] == room
        assert ear.of(MessageReceived)[0].conversation == alice.id


async def test_an_encrypted_room_is_declined_and_another_opened(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        secret = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        body = {"is_direct": True, "invite": [matrix.user], "initial_state": [secret]}
        encrypted = (await alice.call("POST", "createRoom", body=body))["room_id"]

        async def opened() -> bool:
            rooms = (await alice.call("GET", "joined_rooms"))["joined_rooms"]
            return len(rooms) == 2

        await until(opened)
        state = await alice.call("GET", "rooms", encrypted, "state", "m.room.member", matrix.user)
        assert state["membership"] == "leave"


async def test_everything_that_was_said_while_the_bot_was_away_is_heard_in_its_order(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        await sent(matrix, to(alice))
        room = (await alice.hears())["room_id"]
        await alice.say(room, "0")
        await ear.hears(MessageReceived)
    for number in range(1, 131):  # more than Synapse tells in one answer
        await alice.say(room, f"{number}番")
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        await ear.hears(MessageReceived, 130)
        said = [event.text for event in ear.of(MessageReceived)]
        assert said == [f"{number}番" for number in range(1, 131)]


async def test_the_readers_of_a_message_are_those_who_have_read_it_or_anything_after_it(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice, bob, carol = [await staff() for _ in range(3)]
        room = await matrix.create_room("防災課", [alice.id, bob.id, carol.id], key="r1")
        await ear.hears(MemberJoined, 3)
        address = Address(adapter="matrix", kind="room", id=room)
        first, second = [
            await sent(matrix, Delivery(1, text, address, Message(text=text, reference=text))) for text in ("一", "二")
        ]
        await alice.read(await alice.hears("一"))
        await bob.read(await bob.hears("二"))
        await carol.hears("二")
        await ear.hears(MessageRead, 3)
        assert await matrix.readers(first) == sorted([alice.id, bob.id])
        assert await matrix.readers(second) == [bob.id]


async def test_the_same_key_is_the_same_message_though_synapse_was_killed_in_between(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    account = Account.new()
    with Synapse.prepared(tmp_path / "home", registrations=[account.write(tmp_path)]) as synapse:
        matrix = account.adapter(synapse.url)
        await matrix.open()
        alice = await person(session, synapse, "alice")
        first = await sent(matrix, to(alice, buttons=CHOICES))
        synapse.kill()
        [outcome] = await matrix.send([to(alice, buttons=CHOICES)])
        assert "connection" in repr(outcome)
        synapse.start()
        assert await sent(matrix, to(alice, buttons=CHOICES)) == first
        await matrix.close()
        again = account.adapter(synapse.url)  # a bot that was restarted, too
        await again.open()
        assert await sent(again, to(alice, buttons=CHOICES)) == first
        await alice.hears()
        assert len(alice.heard()) == 1
        await again.close()


async def test_a_limit_is_kept_for_as_long_as_synapse_says(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    account = Account.new()
    file = account.write(tmp_path)
    file.write_text(file.read_text().replace("rate_limited: false", "rate_limited: true"))
    slow = {"rc_message": {"per_second": 0.1, "burst_count": 2}}
    with Synapse.prepared(tmp_path / "home", registrations=[file], settings=slow) as synapse:
        matrix = account.adapter(synapse.url)
        await matrix.open()
        alice = await person(session, synapse, "alice")
        outcomes = [(await matrix.send([to(alice, key=f"k{number}")]))[0] for number in range(3)]
        await matrix.close()
    limited = outcomes[-1]
    assert isinstance(limited, Retry)
    assert "M_LIMIT_EXCEEDED" in limited.reason
    assert limited.after is not None
    assert timedelta(seconds=1) <= limited.after <= timedelta(seconds=30)


async def test_what_synapse_asks_of_an_application_service_is_answered(
    synapse: Synapse, account: Account, folder: Path, session: aiohttp.ClientSession
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    base = f"http://{HOST}:{account.port}/webhooks/matrix/_matrix/app/v1"
    token = {"Authorization": f"Bearer {account.registration.hs_token}"}
    user = account.registration.user
    async with running(ear.router, matrix, account, folder):
        for method, path, status in (
            ("POST", "/ping", 200),
            ("GET", f"/users/%40{user[1:]}", 200),
            ("GET", "/users/%40somebody:else", 404),
            ("GET", "/rooms/%23nothing:here", 404),
            ("PUT", "/transactions/1", 200),
            ("PUT", "/elsewhere", 404),
            ("DELETE", "/transactions/1", 404),
        ):
            async with session.request(method, base + path, json={"events": []}, headers=token) as response:
                assert (response.status, path) == (status, path)
            wrong = {"Authorization": "Bearer " + "x" * 43}
            async with session.request(method, base + path, json={"events": []}, headers=wrong) as response:
                assert response.status == 401
        large = io.BytesIO(b'{"events": []' + b" " * 2_000_000 + b"}")
        async with session.put(base + "/transactions/2", data=large, headers=token) as response:
            assert response.status == 200, "Refused for its size, a transaction would come again for ever."
