"""Need that is written while nothing about safety is asked reaches the headquarters, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.router import Router
from bot.testing import Harness
from bot.texts import Texts
from broadcasts.service import Broadcasts
from handlers.broadcasts import build_router as broadcast_router
from handlers.plainly import build_router
from handlers.survey_opening import asked_by_name
from surveys.service import Surveys
from surveys.vault import Vault
from tests.broadcasts.test_chat import PEOPLE


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
