"""What people send who do not know the rules: no slash, no button, no space, a slip of the thumb."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bot.directory import HEADQUARTERS, SENDER, Entry
from bot.router import Router
from bot.testing.harness import Harness
from bot.texts import Texts
from broadcasts.service import Broadcasts
from handlers import broadcasts as broadcast_handlers
from handlers import plainly
from handlers import surveys as survey_handlers
from handlers.survey_opening import asked_by_name
from handlers.wishes import Wish, parse
from surveys.service import Surveys
from surveys.vault import Vault
from tests.broadcasts.test_chat import entry

POLL = "/アンケート 作成 懇親会|行きますか。|行く|行かない"
PEOPLE = [
    entry("hq", "総務課", HEADQUARTERS),
    entry("a", "総務課"),
    Entry("head", "課長", "税務課", roles=(SENDER,), addresses={"fake": "head"}),
]


@asynccontextmanager
async def chat() -> AsyncIterator[Harness]:
    services: list[Broadcasts] = []
    keys = TemporaryDirectory(prefix="kairanban-keys-")

    def build(harness: Harness) -> Router:
        platform = {harness.platform.name: harness.platform}
        services.append(
            Broadcasts(harness.database, harness.outbox, platform, harness.clock, harness.activity, Texts("broadcasts"))
        )
        surveys = Surveys(
            harness.database,
            harness.outbox,
            harness.clock,
            harness.activity,
            Texts("surveys"),
            vault=Vault(Path(keys.name)),
            resolve=asked_by_name,
        )
        router = broadcast_handlers.build_router(services[0])
        router.include(survey_handlers.build_router(surveys, {}, services[0].dialogues))
        router.include(plainly.build_router(services[0], surveys, router))
        return router

    async with Harness(build, members=PEOPLE, texts=Texts("bot", "broadcasts", "surveys")) as harness:
        await services[0].start()
        try:
            await harness.idle()
            yield harness
        finally:
            await services[0].stop()
            keys.cleanup()


async def ask(harness: Harness, words: str) -> None:
    await harness.press("hq", await harness.say("hq", words), "送信する")


async def test_an_answer_in_words_counts_like_its_button() -> None:
    async with chat() as harness:
        await ask(harness, "/一斉 緊急 安否 地震です")
        assert "「無事」と記録しました" in (await harness.say("a", " 無事です。")).text
        await harness.say("a", "負傷")
        assert "「無事」と記録しました" in (await harness.say("a", "無事")).text, "It is no place where they are hurt."
        await ask(harness, "/一斉 緊急 参集 大雨です")
        assert "「参集できない」と記録しました" in (await harness.say("head", "参集できません")).text
        assert "回答 1／3人" in (await harness.say("hq", "/参集")).text
        assert "無事 1人（33%）" in (await harness.say("hq", "/安否")).text


async def test_with_two_questions_open_an_answer_to_one_is_no_reason_for_the_other() -> None:
    async with chat() as harness:
        await ask(harness, "/一斉 緊急 安否 地震です")
        await ask(harness, "/一斉 緊急 参集 第2配備 集まってください")
        for muster in ("参集できない", "参集する"):  # the bot now waits for a reason, then for a time
            await harness.advance(timedelta(minutes=1))
            await harness.say("a", muster)
            assert "「無事」と記録しました" in (await harness.say("a", "無事です")).text
        assert "・職員a（総務課）参集する " in (await harness.say("hq", "/参集 2 一覧")).text


async def test_other_words_to_an_open_question_bring_it_back_and_are_no_answer() -> None:
    async with chat() as harness:
        await ask(harness, "/一斉 緊急 安否 地震です")
        again = await harness.say("a", "了解しました")
        assert again.text.startswith("書いてくださったことは、本部が読めるように記録しました。")
        assert [button.label for button in again.buttons] == ["無事", "負傷", "要救助"]
        assert "回答 0／3人" in (await harness.say("hq", "/安否")).text
        await harness.press("a", again, "無事")
        assert "安否の回答（無事）に添えて記録しました" in (await harness.say("a", "了解しました")).text
        await harness.advance(timedelta(days=4))
        assert "だれにも届いていません" in (await harness.say("head", "おはよう")).text, "The question is old by now."


async def test_nobody_is_left_believing_that_a_person_reads() -> None:
    async with chat() as harness:
        assert "だれにも届いていません" in (await harness.say("a", "窓口が混んでいます")).text
        assert "災害対策本部に、いまの言葉をそのまま伝えました" in (await harness.say("a", "助けてください")).text
        assert await harness.post("stranger", "もしもし") == [], "Two bots would talk for ever."
        assert await harness.post("a", "もしもし", room="r1") == []


@pytest.mark.parametrize("typed", ["1", "１", "回答する", " 回答する "])
async def test_the_button_of_a_survey_may_be_typed_before_it_has_begun(typed: str) -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", POLL), "始める")
        assert "まだ答えていないアンケート" in (await harness.say("a", "おはよう")).text
        assert "行きますか。" in (await harness.say("a", typed)).text
        assert "ありがとう" in (await harness.say("a", "2")).text
        assert "アンケート" not in (await harness.say("a", "おはよう")).text


async def test_whether_somebody_is_safe_goes_before_a_survey() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", POLL), "始める")
        await ask(harness, "/一斉 緊急 安否 地震です")
        again = await harness.say("a", "1")
        assert [button.label for button in again.buttons] == ["無事", "負傷", "要救助"]


@pytest.mark.parametrize("typed", ["一斉 緊急 本文", "/ 一斉 緊急 本文", "　一斉 緊急 本文"])
async def test_a_command_without_its_slash_is_shown_with_it(typed: str) -> None:
    async with chat() as harness:
        said = (await harness.say("hq", typed)).text
        assert said.endswith("\n/一斉 緊急 本文")


async def test_a_missing_space_and_hiragana_are_understood() -> None:
    async with chat() as harness:
        for typed in ("/一斉訓練 本文", "/いっせい 訓練 本文", "／一斉訓練　本文"):
            assert "種類：訓練" in (await harness.say("hq", typed)).text
        assert "見え方" in (await harness.say("hq", "/宛先1")).text


async def test_everybody_sees_the_commands_that_are_theirs() -> None:
    async with chat() as harness:
        listings = {who: (await harness.say(who, "/ヘルプ")).text for who in ("hq", "a", "head")}
        assert all("・/安否" in text for text in listings.values())
        assert ["・/一斉" in text for text in listings.values()] == [True, False, True]
        assert ["・/グループ" in text for text in listings.values()] == [True, False, False]
        assert "「/一斉」のことですか" in (await harness.say("hq", "/一声 本文")).text


@pytest.mark.parametrize(
    ("typed", "wish"),
    [
        ("緊急 訓練 本文", Wish("drill", (), (), "本文")),
        ("訓練 緊急 本文", Wish("drill", (), (), "本文")),
        ("緊急訓練 本文", Wish("drill", (), (), "本文")),
        ("訓練のお知らせ 本文", Wish("notice", (), (), "訓練のお知らせ 本文")),
        ("緊急連絡網 を直しました", Wish("notice", (), (), "緊急連絡網 を直しました")),
        ("@税務課\n\n@総務課のみなさん", Wish("notice", ("税務課",), (), "@総務課のみなさん")),
        ("緊急\n@税務課\n本文", Wish("emergency", ("税務課",), (), "本文")),
    ],
)
def test_a_wish_is_taken_as_it_is_meant(typed: str, wish: Wish) -> None:
    assert parse(typed) == wish


@pytest.mark.parametrize("typed", ["緊急安否 本文", "緊急 安否確認 本文", "緊急安否確認 本文"])
def test_the_question_may_be_named_as_people_name_it(typed: str) -> None:
    wish = parse(typed)
    assert (wish.kind, wish.text) == ("emergency", "本文")
    assert wish.question is not None
    assert wish.question.asks == "safety"


async def test_a_text_that_sounds_urgent_is_not_sent_as_a_plain_notice_unnoticed() -> None:
    async with chat() as harness:
        for typed in ("【緊急】川があふれます", "緊急、川があふれます", "緊急連絡です"):
            assert "どの種類で送りますか" in (await harness.say("hq", f"/一斉 {typed}")).text
            own = await harness.say("hq", "お知らせとして送る")
            assert "文頭に「緊急」とありますが、「お知らせ」として" in own.text
        for typed in ("緊急 川があふれます", "本日の緊急連絡", "訓練のお知らせ"):
            assert "文頭に" not in (await harness.say("hq", f"/一斉 {typed}")).text


async def test_an_old_preview_is_shown_again_before_it_sends() -> None:
    async with chat() as harness:
        preview = await harness.say("hq", "/一斉 18時に集まってください")
        await harness.advance(timedelta(hours=13))
        told, again = await harness.press("hq", preview, "送信する")
        assert "時間がたったため、送っていません" in told.text
        assert "送信を始めました" in (await harness.press("hq", again, "送信する"))[0].text
        (twice,) = await harness.press("hq", preview, "送信する")
        assert "すでに送信済み" in twice.text


async def test_a_department_gets_as_many_as_it_is_told() -> None:
    async with chat() as harness:
        (sent, *_) = await harness.press("hq", await harness.say("hq", "/一斉 @総務課 本文"), "送信する")
        assert "宛先は 2人" in sent.text
        assert "「/取消 1」" in sent.text


async def test_a_group_is_looked_into_and_takes_nobody_elses_name() -> None:
    async with chat() as harness:
        assert "ほかの宛先" in (await harness.say("hq", "/グループ 追加 総務課 @税務課")).text
        assert "1人を加えました" in (await harness.say("hq", "/グループ 追加 消防団 @税務課")).text
        assert "1人を加えました" in (await harness.say("hq", "/グループ 追加 消防団 a")).text
        assert "消防団」：2人" in (await harness.say("hq", "/グループ 消防団")).text
        assert "・税務課（1人）：課長" in (await harness.say("hq", "/グループ @消防団")).text
        assert "担当者だけ" in (await harness.say("a", "/グループ 消防団")).text


async def test_a_schedule_needs_no_year() -> None:
    async with chat() as harness:
        tomorrow = await harness.say("hq", "/予約 明日 09:00 本文")
        assert "送る日時：" in tomorrow.text
        for typed in ("/予約 12月24日 09:00 本文", "/予約 12/24 9:00 本文", "／予約　１２月２４日　９：００　本文"):
            assert "-12-24（" in (await harness.say("hq", typed)).text
        assert "「13月40日」という日はありません" in (await harness.say("hq", "/予約 13月40日 09:00 本文")).text
