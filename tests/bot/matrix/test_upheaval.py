"""On Synapse: where one is answered, and what becomes of talks that are replaced, encrypted or closed to the bot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot import Bot, Context, Router
from bot.adapters.matrix import Matrix
from bot.events import MessageReceived
from bot.messages import Address, Button, Message
from bot.testing.synapse import Synapse
from tests.bot.matrix.support import Account, Person, running

Staff = Callable[[], Awaitable[Person]]


@dataclass
class House:
    """A bot at work, and what it was told."""

    bot: Bot
    matrix: Matrix
    heard: list[str]

    async def notify(self, person: str, text: str, kind: Any = "person") -> None:
        address = Address(adapter="matrix", kind=kind, id=person)
        async with self.bot.database.transaction() as db:
            await self.bot.outbox.enqueue(db, address, Message(text=text), key=f"notice {text}")


@asynccontextmanager
async def house(synapse: Synapse, account: Account, folder: Path) -> AsyncIterator[House]:
    router, heard = Router(), list[str]()

    @router.command("わたし", help="Who am I?")
    async def who(ctx: Context[MessageReceived]) -> None:
        await ctx.reply(f"答え {len(heard)}")
        await ctx.reply("つづき", [Button(label="はい", data="x:1")])

    @router.on(MessageReceived)
    async def hear(ctx: Context[MessageReceived]) -> None:
        heard.append(ctx.event.text)
        await ctx.reply(f"聞きました {ctx.event.text}")

    matrix = account.adapter(synapse.url)
    async with running(router, matrix, account, folder) as bot:
        yield House(bot, matrix, heard)


def room_of(event: dict[str, Any]) -> str:
    room: str = event["room_id"]
    return room


async def test_who_begins_a_second_pair_talk_is_answered_where_they_ask(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    async with house(synapse, account, folder) as here:
        alice = await staff()
        first = await alice.talk_to(here.matrix.user)
        await alice.say(first, "！わたし")
        assert room_of(await alice.hears(saying="答え")) == first
        second = await alice.talk_to(here.matrix.user)
        await alice.say(second, "！わたし")
        assert room_of(await alice.hears(saying="答え", count=2)) == second
        assert room_of(await alice.hears(saying="つづき", count=2)) == second
        await here.notify(alice.id, "お知らせ")
        assert room_of(await alice.hears(saying="お知らせ")) == second, "where they spoke last"
        await alice.say(first, "！わたし")
        assert room_of(await alice.hears(saying="答え", count=3)) == first


async def test_a_question_in_a_thread_is_answered_in_the_thread(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    async with house(synapse, account, folder) as here:
        alice = await staff()
        talk = await alice.talk_to(here.matrix.user)
        root = await alice.say(talk, "こんにちは")
        await alice.hears(saying="聞きました")
        relation = {"rel_type": "m.thread", "event_id": root}
        asked = await alice.say(talk, "！わたし", **{"m.relates_to": relation})
        answer = await alice.hears(saying="答え")
        said = answer["content"]["m.relates_to"]
        assert (said["rel_type"], said["event_id"]) == ("m.thread", root)
        assert said["m.in_reply_to"]["event_id"] == asked


@pytest.mark.parametrize("version", ["10", "11"])
async def test_the_room_that_replaces_a_talk_takes_over(
    synapse: Synapse, account: Account, staff: Staff, folder: Path, version: str
) -> None:
    async with house(synapse, account, folder) as here:
        alice = await staff()
        old = await alice.talk_to(here.matrix.user)
        await alice.say(old, "！わたし")
        await alice.hears(saying="答え")
        new = (await alice.call("POST", "rooms", old, "upgrade", body={"new_version": version}))["replacement_room"]
        await alice.call("POST", "rooms", new, "invite", body={"user_id": here.matrix.user})
        await alice.say(new, "！わたし")
        assert room_of(await alice.hears(saying="答え", count=2)) == new
        await here.notify(alice.id, "お知らせ")
        assert room_of(await alice.hears(saying="お知らせ")) == new
    async with house(synapse, account, folder) as here:  # and after a restart
        await here.notify(alice.id, "翌日のお知らせ")
        assert room_of(await alice.hears(saying="翌日のお知らせ")) == new


async def test_a_notice_into_a_room_that_was_replaced_goes_into_the_new_one(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    async with house(synapse, account, folder) as here:
        alice = await staff()
        body = {"invite": [here.matrix.user], "preset": "private_chat", "name": "土木課"}
        old = str((await alice.call("POST", "createRoom", body=body))["room_id"])
        await alice.say(old, f"{here.matrix.user} こんにちは")
        await alice.hears(saying="聞きました")
        await here.notify(old, "はじめのお知らせ", "room")
        await alice.hears(saying="はじめのお知らせ")
        new = (await alice.call("POST", "rooms", old, "upgrade", body={"new_version": "10"}))["replacement_room"]
        await alice.call("POST", "rooms", new, "invite", body={"user_id": here.matrix.user})
        await here.matrix.catch_up()
        await here.notify(old, "つぎのお知らせ", "room")
        assert room_of(await alice.hears(saying="つぎのお知らせ")) == new
        assert list(await here.matrix.room_members(old)) == [alice.id]


async def test_a_talk_in_which_the_bot_may_not_speak_is_replaced_by_one_of_its_own(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    async with house(synapse, account, folder) as here:
        alice = await staff()
        body = {"is_direct": True, "invite": [here.matrix.user], "preset": "private_chat"}
        talk = str((await alice.call("POST", "createRoom", body=body))["room_id"])
        await alice.say(talk, "！わたし")
        await alice.hears(saying="答え")
        levels = await alice.call("GET", "rooms", talk, "state", "m.room.power_levels", "")
        levels |= {"events_default": 50, "users": {}}  # whoever made the room stands above them
        await alice.call("PUT", "rooms", talk, "state", "m.room.power_levels", "", body=levels)
        await alice.say(talk, "！わたし")
        answer = await alice.hears(saying="答え", count=2)
        assert room_of(answer) != talk
        await here.notify(alice.id, "お知らせ")
        assert room_of(await alice.hears(saying="お知らせ")) == room_of(answer)


async def test_who_encrypts_a_talk_is_told_there_and_reads_what_follows_elsewhere(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    async with house(synapse, account, folder) as here:
        alice = await staff()
        talk = await alice.talk_to(here.matrix.user)
        await alice.say(talk, "！わたし")
        await alice.hears(saying="答え")
        algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
        await alice.call("PUT", "rooms", talk, "state", "m.room.encryption", "", body=algorithm)
        told = await alice.hears(saying="暗号化された")
        assert room_of(told) == talk
        await here.notify(alice.id, "秘密のお知らせ")
        assert room_of(await alice.hears(saying="秘密のお知らせ")) != talk
    async with house(synapse, account, folder) as here:
        await here.notify(alice.id, "翌日のお知らせ")
        assert room_of(await alice.hears(saying="翌日のお知らせ")) != talk
        assert len([event for event in alice.heard() if "暗号化された" in event["content"]["body"]]) == 1


async def test_a_notice_never_stands_in_clear_in_a_room_that_was_encrypted(
    synapse: Synapse, account: Account, staff: Staff, folder: Path
) -> None:
    async with house(synapse, account, folder) as here:
        alice = await staff()
        body = {"invite": [here.matrix.user], "preset": "private_chat", "name": "土木課"}
        room = str((await alice.call("POST", "createRoom", body=body))["room_id"])
        await alice.say(room, f"{here.matrix.user} こんにちは")
        await alice.hears(saying="聞きました")
        await here.notify(room, "はじめのお知らせ", "room")
        await alice.hears(saying="はじめのお知らせ")
        algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
        await alice.call("PUT", "rooms", room, "state", "m.room.encryption", "", body=algorithm)
        await alice.hears(saying="暗号化された")
        await here.notify(room, "秘密のお知らせ", "room")
        await here.bot.idle()
        [dead] = await here.bot.outbox.dead()
        assert "encrypted" in dead.reason
        await alice.look()
        assert not [event for event in alice.heard() if "秘密" in event["content"]["body"]]


@pytest.mark.parametrize(
    ("body", "relation", "meant"),
    [
        ("> <@a:x> お知らせ\n> 二行目\n\n承知しました", True, "承知しました"),
        ("> <@a:x> お知らせ\n\n承知しました", False, "承知しました"),
        ("> * <@a:x> お知らせ\n\n承知しました", True, "承知しました"),
        ("> <@a:x> お知らせ\n\n！わたし", True, "答え"),
        ("> 引用です\nそのとおり", False, "> 引用です\nそのとおり"),
        ("承知しました", True, "承知しました"),
    ],
)
async def test_a_reply_is_read_without_what_it_replies_to(
    synapse: Synapse, account: Account, staff: Staff, folder: Path, body: str, relation: bool, meant: str
) -> None:
    async with house(synapse, account, folder) as here:
        alice = await staff()
        talk = await alice.talk_to(here.matrix.user)
        first = await alice.say(talk, "こんにちは")
        await alice.hears(saying="聞きました")
        related = {"m.relates_to": {"m.in_reply_to": {"event_id": first}}} if relation else {}
        await alice.say(talk, body, **related)
        if meant == "答え":
            await alice.hears(saying="答え")
        else:
            await alice.hears(saying="聞きました", count=2)
            assert here.heard[-1] == meant
