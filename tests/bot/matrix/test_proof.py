"""Twenty staff on a real Synapse: a notice, its receipts, a survey with buttons, a recall; and everything falls over.

The bot is a process of its own and is killed in the middle of each; so is Synapse. In the end nothing is missing and
nothing is there twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.directory import ADMINISTRATOR, HEADQUARTERS, Entry
from bot.testing.synapse import Synapse, installed
from tests.bot.matrix.process import Served
from tests.bot.matrix.support import Account, Person, person, until

STAFF = 20
READ = "SELECT count(*) FROM broadcast_recipients WHERE read_at IS NOT NULL"
FINISHED = "SELECT count(*) FROM survey_participants WHERE state = 'finished'"


@asynccontextmanager
async def city_hall(folder: Path) -> AsyncIterator[tuple[Synapse, Served, list[Person]]]:
    """A homeserver, the bot, and the staff; the first of them is of the headquarters and administrator."""
    account = Account.new()
    async with aiohttp.ClientSession() as session:
        with Synapse.prepared(folder / "home", registrations=[account.write(folder)]) as synapse:
            staff = [await person(session, synapse, f"s{number:02}") for number in range(STAFF)]
            bot = Served(folder / "bot", synapse, account, session)
            await bot.know(
                [
                    Entry(
                        code=f"{number:03}",
                        name=f"職員{number}",
                        department=("総務課", "防災課")[number % 2],
                        roles=(HEADQUARTERS, ADMINISTRATOR) if number == 0 else (),
                        addresses={"matrix": each.id},
                    )
                    for number, each in enumerate(staff)
                ]
            )
            await bot.start()
            try:
                yield synapse, bot, staff
            finally:
                await bot.kill()


async def each_hears_once(staff: Sequence[Person], reference: str) -> None:
    await asyncio.gather(*(each.hears(reference) for each in staff))
    for each in staff:
        assert len(each.heard(reference)) == 1, f"{each.id} has {reference} more than once."


async def restarted(synapse: Synapse) -> None:
    synapse.kill()
    await asyncio.to_thread(synapse.start)


@pytest.mark.skipif(not installed(), reason="Synapse (the package matrix-synapse) is not installed here.")
async def test_whoever_falls_over_every_receipt_and_answer_is_there_at_the_end(tmp_path: Path) -> None:
    async with city_hall(tmp_path) as (synapse, bot, staff):
        officer = staff[0]

        # A notice, and the bot is killed while it goes out.
        talk = await officer.talk_to(f"@kairanban:{synapse.server_name}")
        await officer.say(talk, "！一斉 庁舎の停電は明日10時からです。")
        await officer.press(await officer.hears(), "送信する")
        await asyncio.wait(
            [asyncio.create_task(each.hears("broadcast:1")) for each in staff], return_when="FIRST_COMPLETED"
        )
        await bot.kill()
        await bot.start()
        await each_hears_once(staff, "broadcast:1")

        # Some read just before Synapse is killed, some while the bot is away, some when all is well.
        early, away, late = staff[:8], staff[8:15], staff[15:]
        for each in early:
            await each.read(each.heard("broadcast:1")[-1])
        await restarted(synapse)
        await bot.kill()
        for each in away:
            await each.read(each.heard("broadcast:1")[-1])
        await bot.start()
        for each in late:
            await each.read(each.heard("broadcast:1")[-1])

        async def all_have_read() -> bool:
            return bot.count(READ) == STAFF

        await until(all_have_read)

        # A survey, with everybody at the question when it happens again.
        await officer.say(talk, "!アンケート 作成 訓練の日程｜9月1日でよいですか｜はい｜いいえ")
        await officer.press(await officer.hears(saying="アンケート「訓練の日程」"), "始める")
        await each_hears_once(staff, "survey:1")
        for each in staff:
            await each.press(each.heard("survey:1")[-1], "回答する")
        asked = "survey:1:question:choice:choice"
        await each_hears_once(staff, asked)
        for each in staff[:6]:
            await each.press(each.heard(asked)[-1], "はい")
        await bot.kill()
        for each in staff[6:9]:
            await each.press(each.heard(asked)[-1], "いいえ")
        for each in staff[9:12]:
            await each.say(each.heard(asked)[-1]["room_id"], "２")
        await restarted(synapse)
        await bot.start()
        for each in staff[12:]:
            await each.press(each.heard(asked)[-1], "はい")

        async def all_have_answered() -> bool:
            return bot.count(FINISHED) == STAFF

        await until(all_have_answered)
        await officer.say(talk, "!アンケート 締切 1")
        await officer.hears(saying="締め切りました")
        await officer.say(talk, "!アンケート 結果 1")
        results = (await officer.hears(saying="【結果】訓練の日程"))["content"]["body"]
        assert "回答 20名／対象 20名" in results
        assert "はい：14" in results
        assert "いいえ：6" in results

        # The notice is taken back, and the bot is killed once more while that goes on.
        await officer.say(talk, "!取消 1")
        await officer.press(await officer.hears(saying="取り消"), "取り消す")

        async def gone_somewhere() -> bool:
            await asyncio.gather(*(each.look() for each in staff))
            return any(each.heard("broadcast:1") == [] for each in staff)

        async def gone_everywhere() -> bool:
            await asyncio.gather(*(each.look() for each in staff))
            return all(each.heard("broadcast:1") == [] for each in staff)

        await until(gone_somewhere)
        await bot.kill()
        await bot.start()
        await until(gone_everywhere)
        assert bot.count(READ) == STAFF
