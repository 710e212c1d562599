"""Need that is written while nothing about safety is asked reaches the headquarters, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.directory import HEADQUARTERS
from bot.router import Router
from bot.storage import Database
from bot.testing import Harness
from bot.texts import Texts
from broadcasts.questions import Question
from broadcasts.service import Broadcasts
from handlers.broadcasts import build_router as broadcast_router
from handlers.plainly import build_router
from handlers.survey_opening import asked_by_name
from surveys.service import Surveys
from surveys.vault import Vault
from tests.broadcasts.support import city_hall
from tests.broadcasts.test_chat import PEOPLE, entry


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Harness]:
    def build(harness: Harness) -> Router:
        texts = Texts("bot", "broadcasts", "surveys")
        fake = {harness.platform.name: harness.platform}
        service = Broadcasts(harness.database, harness.outbox, fake, harness.clock, harness.activity, texts)
        surveys = Surveys(
            harness.database,
            harness.outbox,
            harness.clock,
            harness.activity,
            texts,
            vault=Vault(tmp_path / "keys"),
            resolve=asked_by_name,
        )
        router = broadcast_router(service)
        router.include(build_router(service, surveys, router))
        return router

    async with Harness(build, members=PEOPLE) as harness:
        yield harness


@pytest.mark.parametrize("words", ["助けて", "動けません", "救助してください", "けがした", "Please help, I can't move"])
async def test_need_reaches_the_headquarters_though_nothing_was_asked(hall: Harness, words: str) -> None:
    answer = await hall.say("b", words)
    told = hall.sent_to("hq")[-1].text
    assert told.startswith("【質問のないときの言葉】職員b（税務課）")
    assert words in told
    assert "119" in answer.text


@pytest.mark.parametrize(
    "words", ["会議室は空いていますか", "無事に終わりました", "パソコンが重いです", "母がけがしました"]
)
async def test_other_words_do_not_wake_the_headquarters(hall: Harness, words: str) -> None:
    await hall.say("b", words)
    assert hall.sent_to("hq") == []


@pytest.mark.parametrize("words", ["庁舎の1階が浸水しています", "足が挟まれて動けません"])
async def test_with_a_muster_alone_open_alarming_words_reach_the_headquarters(hall: Harness, words: str) -> None:
    seen = await hall.say("hq", "/一斉 緊急 参集 集まってください")
    await hall.press("hq", seen, "送信する")
    await hall.post("b", words)
    assert words in hall.sent_to("hq")[-1].text


async def test_a_need_pressed_at_the_very_moment_of_another_answer_is_told_whichever_key_is_smaller(
    database: Database,
) -> None:
    people = [entry("hq", "総務課", HEADQUARTERS), entry("b", "税務課")]
    people = [replace(each, addresses={"chat": f"u-{each.code}"}) for each in people]
    async with city_hall(database, people) as hall:
        member, chief, at = await hall.member("b"), await hall.member("hq"), hall.clock.now()
        async with database.transaction() as db:
            number = await hall.broadcasts.draft(
                db, chief, "地震です", kind="emergency", question=Question(asks="safety")
            )
            seen = await hall.broadcasts.preview(db, number)
            await hall.broadcasts.confirm(db, number, chief, seen.fingerprint)
        for choice, key in (("safe", "k2"), ("rescue", "k1")):
            async with database.transaction() as db:
                await hall.broadcasts.responses.press(db, member, number, choice, at=at, key=key)
        await hall.quiet()
        assert any("【要救助】" in seen.text for seen in hall.platform.screens["u-hq"])
