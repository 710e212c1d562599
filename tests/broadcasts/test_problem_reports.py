"""Reports of problems on both databases: who is told, and that a report is closed once."""

from __future__ import annotations

import asyncio

from bot.directory import ADMINISTRATOR, Entry
from bot.errors import Refused
from bot.storage import Database
from bot.texts import Texts
from broadcasts.problems import Problems
from tests.broadcasts.support import city_hall

PEOPLE = [
    Entry("a", "職員a", "総務課", addresses={"chat": "u-a"}),
    Entry("x", "管理者x", "情報課", roles=[ADMINISTRATOR], addresses={"chat": "u-x"}),
    Entry("y", "管理者y", "情報課", roles=[ADMINISTRATOR], addresses={"chat": "u-y"}),
]


async def test_two_who_close_a_report_at_once_close_it_once_and_the_person_hears_of_it_once(database: Database) -> None:
    async with city_hall(database, PEOPLE) as hall:
        problems = Problems(hall.outbox, [hall.platform.name], hall.clock, Texts("bot"))
        async with database.transaction() as db:
            number, told = await problems.report(db, await hall.member("a"), "通知が来ません", at=hall.clock.now())
        assert told
        await hall.quiet()
        assert [len(hall.platform.screens[f"u-{code}"]) for code in ("x", "y")] == [1, 1]

        async def close(code: str) -> str:
            try:
                async with database.transaction() as db:
                    await problems.answer(db, number, code, "", closes=True)
            except Refused as refused:
                return refused.key
            return "closed"

        assert sorted(await asyncio.gather(close("x"), close("y"))) == ["closed", "problem.closed_already"]
        await hall.quiet()
        (heard,) = hall.platform.screens["u-a"]
        assert "対応が終わりました" in heard.text
        async with database.snapshot() as db:
            assert await problems.listed(db) == (0, [])
            count, (report,) = await problems.listed(db, closed=True)
        assert count == 1
        assert [answer.text for answer in report.answers] == [""]
