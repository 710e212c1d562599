"""Staff report problems in the chat."""

from __future__ import annotations

from bot import usage
from bot.directory import Entry
from bot.testing import Harness
from bot.texts import Texts
from handlers.problems import build_router


def staff() -> list[Entry]:
    return [Entry(code="100", name="佐藤", department="総務部", addresses={"fake": "alice"})]


async def test_a_report_is_kept_in_its_own_words_and_answered_with_its_number() -> None:
    async with Harness(build_router(Texts("bot")), members=staff()) as harness:
        reply = await harness.say("alice", "/不具合 ＜通知＞が\n来ません")
        assert reply is not None
        assert "受付番号は1" in reply.text
        async with harness.database.snapshot() as db:
            assert await usage.problems(db) == [(harness.clock.now(), "＜通知＞が\n来ません")]


async def test_an_empty_report_is_asked_for_kindly_and_a_stranger_is_told_where_to_turn() -> None:
    async with Harness(build_router(Texts("bot")), members=staff()) as harness:
        empty = await harness.say("alice", "/不具合　")
        stranger = await harness.say("mallory", "/problem x")
        assert empty is not None
        assert "例: /不具合" in empty.text
        assert stranger is not None
        assert "職員名簿" in stranger.text
        async with harness.database.snapshot() as db:
            assert await usage.problems(db) == []
