"""Must-read posts on a board, beside the bot's messages: the receipts of a platform that has none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bot.adapter import Delivery, Sent
from bot.adapters.lineworks import LineWorks
from bot.clock import ManualClock
from bot.errors import KairanbanError
from bot.events import Event, MessageRead
from bot.messages import Address, Message
from bot.testing.fakes import FakeLineWorks
from bot.testing.harness import START

BOARD = 100
WORDS = "断水のお知らせ\n夜9時から"


@asynccontextmanager
async def with_board(
    works: FakeLineWorks | None = None, *, at_least: int = 3
) -> AsyncIterator[tuple[FakeLineWorks, LineWorks]]:
    clock = ManualClock(START)
    async with FakeLineWorks(clock) as fake:
        if works is not None:
            fake.boards, fake.members = works.boards, works.members
        fake.boards.setdefault(BOARD, [])
        bot = LineWorks(
            fake.bot_id,
            fake.bot_secret,
            fake.account,
            clock=clock,
            api=fake.api,
            token_url=fake.token_url,
            timeout=timedelta(seconds=2),
            board=BOARD,
            board_from=3,
        )
        await bot.open()
        try:
            yield fake, bot
        finally:
            await bot.close()


async def notify(bot: LineWorks, people: Sequence[str], text: str = WORDS, about: str = "broadcast:12") -> list[str]:
    ids = []
    for number, person in enumerate(people):
        address = Address(adapter="lineworks", kind="person", id=person)
        message = Message(text=text, reference=about)
        [outcome] = await bot.send([Delivery(number, f"{text[:3]}-{person}", address, message)])
        assert isinstance(outcome, Sent)
        assert outcome.message_id is not None
        ids.append(outcome.message_id)
    return ids


async def look(bot: LineWorks) -> list[MessageRead]:
    told: list[MessageRead] = []

    async def take(events: Sequence[Event]) -> None:
        told.extend(event for event in events if isinstance(event, MessageRead))

    assert bot._board is not None
    await bot._board.look(take)
    return told


async def test_a_notice_to_many_stands_on_the_board_and_who_opens_it_has_read_the_notice() -> None:
    async with with_board() as (works, bot):
        works.members = ["u1", "u2", "u3", "u4"]
        ids = await notify(bot, ["u1", "u2", "u3"])
        assert len(set(ids)) == 1
        assert await look(bot) == []
        [post] = works.boards[BOARD]
        assert post.title.startswith("断水のお知らせ 夜9時から [broadcast:12#")
        assert post.body == "断水のお知らせ<br>夜9時から"
        assert post.must_read_until is not None
        post.readers |= {"u1", "u4"}
        told = await look(bot)
        assert {(event.reader, event.message_id) for event in told} == {("u1", ids[0]), ("u4", ids[0])}
        post.readers |= {"u2"}
        assert [event.reader for event in await look(bot)] == ["u2"], "each is told once"


async def test_what_goes_to_a_few_is_not_put_where_everybody_reads() -> None:
    async with with_board() as (works, bot):
        await notify(bot, ["u1", "u2", "u1"])
        await look(bot)
        assert works.boards[BOARD] == []


async def test_a_reminder_of_the_same_notice_makes_no_second_post() -> None:
    async with with_board() as (works, bot):
        await notify(bot, ["u1", "u2", "u3"])
        await look(bot)
        await notify(bot, ["u1", "u2", "u3"], "まだお読みでない方へ")
        await notify(bot, ["u1", "u2", "u3"], "べつのお知らせ", "broadcast:13")
        await look(bot)
        assert len(works.boards[BOARD]) == 2


async def test_after_a_restart_the_post_is_found_again_and_not_made_again() -> None:
    async with with_board() as (works, bot):
        works.members = ["u1", "u2", "u3"]
        ids = await notify(bot, ["u1", "u2", "u3"])
        await look(bot)
    async with with_board(works) as (works, bot):
        assert await notify(bot, ["u1", "u2", "u3"]) == ids
        works.boards[BOARD][0].readers.add("u3")
        assert [event.message_id for event in await look(bot)] == [ids[0]]
        assert len(works.boards[BOARD]) == 1


async def test_a_board_that_fails_costs_nobody_the_message_and_is_tried_again() -> None:
    async with with_board() as (works, bot):
        await notify(bot, ["u1", "u2", "u3"])
        works.faults.extend(["well", "act_then_cut"])  # the list; the post, whose answer is lost
        with pytest.raises(KairanbanError, match="cut"):
            await look(bot)
        assert len(works.messages) == 3
        await look(bot)
        assert len(works.boards[BOARD]) == 1, "it was looked for before another was made"


async def test_the_readers_of_a_large_city_come_in_pages() -> None:
    async with with_board() as (works, bot):
        works.members = [f"u{number}" for number in range(2_500)]
        works.readers_at_once = 1_000
        await notify(bot, works.members[:3])
        await look(bot)
        works.boards[BOARD][0].readers |= {*works.members}
        assert len({event.reader for event in await look(bot)}) == 2_500
