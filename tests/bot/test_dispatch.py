"""From the log to the handlers: once, in order, side by side, and never lost."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import NEXT, Address, Button, ConfigurationError, Context, Message, Refused, Router
from bot.directory import Entry
from bot.dispatch import DispatchPolicy
from bot.events import BaseEvent, ButtonPressed, MemberJoined, MemberLeft, MessageRead, MessageReceived, Unknown
from bot.storage import BUSY_TIMEOUT
from bot.tables import departments, handled_events
from bot.testing import Harness
from bot.testing.harness import START

ALICE = Entry("0001", "青木 花子", "総務課", roles=("headquarters",), addresses={"fake": "alice"})
_keys = count(1)


def said(person: str, text: str, key: str | None = None, room: str | None = None) -> MessageReceived:
    from bot.testing.harness import START

    return MessageReceived(
        adapter="fake",
        key=key or f"k{next(_keys)}",
        conversation=room or person,
        direct=room is None,
        occurred_at=START,
        sender=person,
        message_id=f"m{next(_keys)}",
        text=text,
    )


def was_read(person: str, key: str) -> MessageRead:
    from bot.testing.harness import START

    return MessageRead(
        adapter="fake", key=key, conversation=person, direct=True, occurred_at=START, reader=person, message_id="m1"
    )


async def handled_keys(harness: Harness) -> set[str]:
    async with harness.database.snapshot() as db:
        return set(await db.scalars(select(handled_events.c.key)))


async def written_departments(harness: Harness) -> list[str]:
    async with harness.database.snapshot() as db:
        return list(await db.scalars(select(departments.c.code).order_by(departments.c.id)))


async def write(db: AsyncConnection, code: str) -> None:
    await db.execute(insert(departments).values(code=code, name=code))


async def test_a_command_is_answered_where_it_was_asked() -> None:
    router = Router()

    @router.command("ping")
    async def ping(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("pong")

    async with Harness(router) as harness:
        assert (await harness.say("alice", "/ping")).address == Address(adapter="fake", kind="person", id="alice")
        assert (await harness.say("alice", "/ping", room="r1")).address == Address(adapter="fake", kind="room", id="r1")


async def test_a_handler_is_told_who_asks() -> None:
    router = Router()

    @router.command("who")
    async def who(ctx: Context[MessageReceived]) -> None:
        if ctx.arguments:
            await ctx.db()
        member = await ctx.member()
        assert member is await ctx.member()
        await ctx.reply(member.name if member else "stranger")

    async with Harness(router, members=[ALICE]) as harness:
        assert (await harness.say("alice", "/who")).text == "青木 花子"
        assert (await harness.say("alice", "/who inside a transaction")).text == "青木 花子"
        assert (await harness.say("mallory", "/who")).text == "stranger"


async def test_buttons_joins_and_departures_reach_their_handlers() -> None:
    router = Router()
    seen: list[tuple[str, str | None]] = []

    @router.command("ask")
    async def ask(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("?", buttons=[Button(label="はい", data="poll:1:yes")], reference="survey:1")

    @router.button("poll")
    async def poll(ctx: Context[ButtonPressed]) -> None:
        await ctx.reply(ctx.arguments)

    @router.on(MemberJoined)
    async def joined(ctx: Context[MemberJoined]) -> None:
        seen.append(("joined", ctx.actor))

    @router.on(MemberLeft)
    async def left(ctx: Context[MemberLeft]) -> None:
        seen.append(("left", ctx.actor))

    async with Harness(router) as harness:
        question = await harness.say("alice", "/ask")
        assert question.reference == "survey:1"
        assert [answer.text for answer in await harness.press("alice", question, "はい")] == ["1:yes"]
        common: dict[str, Any] = {"adapter": "fake", "conversation": "r1", "occurred_at": harness.clock.now()}
        await harness.receive(
            MemberJoined(key="j", member="bob", **common), MemberLeft(key="l", member="bob", **common)
        )
        assert seen == [("joined", "bob"), ("left", "bob")]


async def test_an_event_is_passed_on_until_somebody_takes_it() -> None:
    router = Router()
    asked: list[str] = []

    @router.on(MessageReceived)
    async def first(ctx: Context[MessageReceived]) -> object:
        asked.append("first")
        return NEXT

    @router.on(MessageReceived)
    async def second(ctx: Context[MessageReceived]) -> None:
        asked.append("second")

    @router.on(MessageReceived)
    async def third(ctx: Context[MessageReceived]) -> None:
        asked.append("third")

    async with Harness(router) as harness:
        await harness.post("alice", "hello")
        assert asked == ["first", "second"]


async def test_the_help_lists_commands_and_a_mistyped_command_shows_it_in_pair_talk_only() -> None:
    router = Router()

    @router.command("ping", "ピン", help="pong と返します")
    async def ping(ctx: Context[MessageReceived]) -> None: ...

    async with Harness(router) as harness:
        listing = (await harness.say("alice", "/ヘルプ")).text
        assert "/ping /ピン" in listing
        assert "pong と返します" in listing
        assert (await harness.say("alice", "/help")).text == listing
        unknown = (await harness.say("alice", "/pong")).text
        assert unknown.startswith("「/pong」は使えません。「/ping」のことですか。")
        assert unknown.endswith(listing)
        assert await harness.post("alice", "/pong", room="r1") == []
        assert await harness.post("alice", "pong") == []


async def test_a_help_command_of_ones_own_is_left_alone() -> None:
    router = Router()

    @router.command("help", "ヘルプ")
    async def own(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("own")

    async with Harness(router) as harness:
        assert (await harness.say("alice", "/help")).text == "own"


async def test_effects_replies_and_the_key_are_committed_together() -> None:
    router = Router()
    committed: list[str] = []

    @router.command("write")
    async def writes(ctx: Context[MessageReceived]) -> None:
        await write(await ctx.db(), ctx.arguments)
        ctx.after_commit(lambda: committed.append(ctx.arguments))
        await ctx.reply("written")
        if ctx.arguments == "broken":
            raise ValueError("on purpose")

    async with Harness(router) as harness:
        await harness.receive(said("alice", "/write whole", key="whole"), said("bob", "/write broken", key="broken"))
        assert await written_departments(harness) == ["whole"]
        assert [message.address.id for message in harness.sent] == ["alice"]
        assert await handled_keys(harness) == {"whole"}
        assert committed == ["whole"]


async def test_a_handler_that_fails_is_tried_three_times_with_growing_waits_and_then_kept() -> None:
    router = Router()
    tries: list[Any] = []

    @router.command("fail")
    async def fails(ctx: Context[MessageReceived]) -> None:
        tries.append(ctx.clock.now())
        raise ValueError("on purpose")

    async with Harness(router) as harness:
        await harness.receive(said("alice", "/fail", key="bad"))
        assert len(tries) == 1
        await harness.advance(timedelta(minutes=10))
        assert [later - tries[0] for later in tries] == [timedelta(0), timedelta(seconds=2), timedelta(seconds=22)]
        (failed,) = await harness.inbox.failed()
        assert (failed.key, failed.error) == ("bad", "ValueError: on purpose")
        assert harness.inbox.backlog == 0


async def test_a_failed_event_can_be_replayed_once_the_cause_is_mended() -> None:
    router = Router()
    mended = False

    @router.command("fail")
    async def fails(ctx: Context[MessageReceived]) -> None:
        if not mended:
            raise ValueError("on purpose")
        await ctx.reply("mended")

    async with Harness(router) as harness:
        await harness.receive(said("alice", "/fail", key="bad"))
        await harness.advance(timedelta(minutes=10))
        mended = True
        (failed,) = await harness.inbox.failed()
        assert await harness.inbox.replay(failed.id)
        await harness.idle()
        assert [message.text for message in harness.sent] == ["mended"]


async def test_a_failing_event_holds_back_its_own_conversation_and_no_other() -> None:
    router = Router()
    handled: list[str] = []

    @router.on(MessageReceived)
    async def hears(ctx: Context[MessageReceived]) -> None:
        if ctx.event.text == "bad" and ctx.clock.now() < start + timedelta(seconds=2):
            raise ValueError("on purpose")
        handled.append(f"{ctx.event.sender} {ctx.event.text}")

    async with Harness(router) as harness:
        start = harness.clock.now()
        await harness.receive(said("alice", "bad"), said("alice", "after"), said("bob", "other"))
        assert handled == ["bob other"]
        await harness.advance(timedelta(seconds=2))
        assert handled == ["bob other", "alice bad", "alice after"]


async def test_a_slow_handler_delays_neither_intake_nor_other_conversations() -> None:
    router = Router()
    release, started = asyncio.Event(), asyncio.Event()

    @router.command("slow")
    async def slow(ctx: Context[MessageReceived]) -> None:
        started.set()
        await release.wait()
        await ctx.reply("at last")

    @router.command("ping")
    async def ping(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("pong")
        ctx.after_commit(ponged.set)

    ponged = asyncio.Event()
    async with Harness(router) as harness:
        await harness.bot.take([said("alice", "/slow")])
        await started.wait()
        await harness.bot.take([said("bob", "/ping")])
        await ponged.wait()
        assert not harness.activity.is_idle
        release.set()
        await harness.idle()
        assert {message.text for message in harness.sent} == {"pong", "at last"}


async def test_a_handler_past_its_time_limit_is_stopped_and_leaves_nothing() -> None:
    router = Router()

    @router.command("hang")
    async def hang(ctx: Context[MessageReceived]) -> None:
        await write(await ctx.db(), "hanging")
        await asyncio.Event().wait()

    policy = DispatchPolicy(time_limit=timedelta(milliseconds=20), retry_after=())
    async with Harness(router, policy=policy) as harness:
        await harness.receive(said("alice", "/hang"))
        (failed,) = await harness.inbox.failed()
        assert failed.error.startswith("TimeoutError")
        assert await written_departments(harness) == []


def test_a_time_limit_above_the_busy_timeout_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="busy timeout"):
        asyncio.run(_start(DispatchPolicy(time_limit=BUSY_TIMEOUT)))


async def _start(policy: DispatchPolicy) -> None:
    async with Harness(Router(), policy=policy):
        pass


async def test_a_refusal_is_answered_from_the_catalogue_and_changes_nothing() -> None:
    router = Router()

    @router.command("no")
    async def refuses(ctx: Context[MessageReceived]) -> None:
        await write(await ctx.db(), "half")
        await ctx.reply("never seen")
        raise Refused(ctx.arguments, command="x")

    @router.on(MemberJoined)
    async def joined(ctx: Context[MemberJoined]) -> None:
        raise Refused("refused.other")

    async with Harness(router) as harness:
        assert (await harness.say("alice", "/no help.unknown")).text == "「/x」は使えません。"
        assert "担当の人" in (await harness.say("alice", "/no no.such.sentence")).text
        assert await written_departments(harness) == []
        await harness.receive(
            MemberJoined(adapter="fake", key="j", conversation="r1", occurred_at=harness.clock.now(), member="bob")
        )
        assert len(harness.sent) == 2
        assert harness.inbox.backlog == 0


async def test_an_event_that_comes_twice_is_handled_once() -> None:
    router = Router()

    @router.on(MessageReceived)
    async def hears(ctx: Context[MessageReceived]) -> None:
        await ctx.reply("heard")

    async with Harness(router) as harness:
        await harness.receive(said("alice", "a", key="same"), said("alice", "a", key="same"))
        await harness.receive(said("alice", "a", key="same"))
        assert len(harness.sent) == 1


@pytest.mark.parametrize("redelivered", [True, False])
async def test_an_event_whose_effects_are_committed_is_not_handled_again_after_a_crash(redelivered: bool) -> None:
    router = Router()
    calls: list[str] = []

    @router.on(MessageReceived)
    async def hears(ctx: Context[MessageReceived]) -> None:
        calls.append(ctx.event.key)
        await write(await ctx.db(), "twice")

    async with Harness(router) as harness:
        async with harness.database.transaction() as db:
            await db.execute(insert(handled_events).values(adapter="fake", key="done", handled_at=harness.clock.now()))
        await harness.receive(said("alice", "a", key="done"))
        assert await written_departments(harness) == []  # the key's conflict rolled it back
        if redelivered:
            calls.clear()
            record = await _record_again(harness, said("alice", "a", key="done"))
            assert record
            assert calls == []
        assert harness.inbox.backlog == 0


async def _record_again(harness: Harness, event: MessageReceived) -> bool:
    await harness.inbox._call(
        lambda file: file._connection.execute(
            "UPDATE events SET state = 'failed', payload = ?", (event.model_dump_json(),)
        )
    )
    (failed,) = await harness.inbox.failed()
    replayed = await harness.inbox.replay(failed.id)
    await harness.idle()
    return replayed


async def test_reads_are_applied_in_bulk_each_once() -> None:
    router = Router()
    batches: list[list[str]] = []

    @router.bulk(MessageRead)
    async def reads(db: AsyncConnection, events: Sequence[MessageRead]) -> None:
        batches.append([event.key for event in events])

    async with Harness(router) as harness:
        await harness.receive(*(was_read(f"p{number}", f"r{number}") for number in range(50)))
        assert batches == [[f"r{number}" for number in range(50)]]
        assert len(await handled_keys(harness)) == 50
        assert harness.inbox.backlog == 0


async def test_one_event_that_spoils_a_bulk_is_set_aside_and_the_others_are_applied() -> None:
    router = Router()
    applied: list[str] = []

    @router.bulk(MessageRead)
    async def reads(db: AsyncConnection, events: Sequence[MessageRead]) -> None:
        if any(event.key == "bad" for event in events):
            raise ValueError("on purpose")
        applied.extend(event.key for event in events)

    async with Harness(router) as harness:
        await harness.receive(was_read("a", "r1"), was_read("b", "bad"), was_read("c", "r2"))
        assert applied == ["r1", "r2"]
        await harness.advance(timedelta(minutes=10))
        assert [failed.key for failed in await harness.inbox.failed()] == ["bad"]


async def test_what_nobody_can_read_keeps_nobody_waiting_while_it_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router()
    heard = asyncio.Event()

    @router.on(MessageReceived)
    async def hear(ctx: Context[MessageReceived]) -> None:
        heard.set()

    unreadable = [
        Unknown(adapter="fake", key=f"u{number}", conversation="", occurred_at=START, payload="0", reason="Nonsense.")
        for number in range(20)
    ]
    async with Harness(router) as harness:
        fail = harness.inbox.fail

        async def fail_at_leisure(id: int, error: str, retry_at: datetime | None) -> None:
            await heard.wait()  # for ever, if the good event had to wait for this
            await fail(id, error, retry_at)

        monkeypatch.setattr(harness.inbox, "fail", fail_at_leisure)
        await harness.bot.take([*unreadable, said("alice", "hello", key="good")])
        async with asyncio.timeout(30):
            await harness.idle()
        assert heard.is_set()
        assert len(await harness.inbox.failed()) == 20
        assert harness.inbox.backlog == 0


async def test_an_event_that_nobody_answers_is_noted_and_done_with() -> None:
    async with Harness(Router()) as harness:
        await harness.receive(was_read("alice", "r1"))
        assert await handled_keys(harness) == {"r1"}
        assert harness.inbox.backlog == 0


async def test_while_the_database_is_away_nothing_is_lost_and_nothing_counts_as_an_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = Router()
    applied: list[str] = []

    @router.on(MessageReceived)
    async def hears(ctx: Context[MessageReceived]) -> None:
        applied.append(ctx.event.key)

    @router.bulk(MessageRead)
    async def reads(db: AsyncConnection, events: Sequence[MessageRead]) -> None:
        applied.extend(event.key for event in events)

    def away(*args: object) -> Any:
        raise ConnectionRefusedError("the database is away")

    async with Harness(router) as harness:
        with monkeypatch.context() as outage:
            outage.setattr(harness.database, "transaction", away)
            outage.setattr(harness.database, "snapshot", away)
            await harness.receive(said("alice", "a", key="said"), was_read("bob", "read"))
            await harness.advance(timedelta(minutes=10))
        applied.clear()
        await harness.advance(timedelta(seconds=5))
        assert sorted(applied) == ["read", "said"]
        assert await harness.inbox.failed() == []
        assert harness.inbox.backlog == 0


async def test_old_keys_are_forgotten_and_young_ones_kept() -> None:
    async with Harness(Router()) as harness:
        await harness.receive(was_read("alice", "old"))
        await harness.advance(timedelta(days=20))
        await harness.receive(was_read("alice", "young"))
        await harness.advance(timedelta(days=12))
        assert await handled_keys(harness) == {"young"}


async def test_a_message_can_be_sent_elsewhere_later_and_under_a_key_of_its_own() -> None:
    router = Router()

    @router.command("later")
    async def later(ctx: Context[MessageReceived]) -> None:
        due_at = ctx.clock.now() + timedelta(hours=1)
        address = Address(adapter="fake", kind="room", id="r1")
        await ctx.send(address, Message(text="now due"), key="once", due_at=due_at)

    async with Harness(router) as harness:
        assert await harness.post("alice", "/later") == []
        await harness.advance(timedelta(minutes=59))
        assert harness.sent == []
        await harness.advance(timedelta(minutes=1))
        assert [message.text for message in harness.sent_to("r1")] == ["now due"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=25))
def test_order_is_kept_within_every_conversation(script: list[tuple[str, bool]]) -> None:
    asyncio.run(_check_order(script))


async def _check_order(script: list[tuple[str, bool]]) -> None:
    router = Router()
    handled: list[BaseEvent] = []
    stumbled: set[str] = set()

    @router.on(MessageReceived)
    async def hears(ctx: Context[MessageReceived]) -> None:
        if ctx.event.text == "stumble" and ctx.event.key not in stumbled:
            stumbled.add(ctx.event.key)
            raise ValueError("on purpose")
        handled.append(ctx.event)

    async with Harness(router) as harness:
        events = [said(person, "stumble" if stumbles else "walk") for person, stumbles in script]
        await harness.receive(*events)
        await harness.advance(timedelta(minutes=10))
        for person in "abc":
            assert [event for event in handled if event.conversation == person] == [
                event for event in events if event.conversation == person
            ]
