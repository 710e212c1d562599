"""Staff report problems in the chat; somebody is told, answers and closes, and they hear of it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot import usage
from bot.audit.tables import audit_log
from bot.directory import ADMINISTRATOR, HEADQUARTERS, Entry
from bot.router import Router
from bot.testing import Harness
from bot.texts import Texts
from broadcasts.problems import Problems
from broadcasts.service import Broadcasts
from handlers.broadcasts import build_router as broadcast_router
from handlers.problems import build_conversation, build_router


def staff(*others: Entry) -> list[Entry]:
    return [Entry(code="100", name="佐藤", department="総務部", addresses={"fake": "alice"}), *others]


ADMIN = Entry("200", "鈴木", "情報政策課", roles=[ADMINISTRATOR], addresses={"fake": "admin"})
CHIEF = Entry("300", "本田", "危機管理課", roles=[HEADQUARTERS], addresses={"fake": "hq"})


def desk(harness: Harness) -> Router:
    texts = Texts("bot", "broadcasts")
    fake = {harness.platform.name: harness.platform}
    service = Broadcasts(harness.database, harness.outbox, fake, harness.clock, harness.activity, texts)
    problems = Problems(harness.outbox, ("fake",), harness.clock, texts)
    router = Router()
    router.include(build_conversation(texts, problems, service, router))
    router.include(broadcast_router(service))
    router.include(build_router(texts, problems, service.dialogues, text_length=500))
    return router


async def kept(harness: Harness) -> list[str]:
    async with harness.database.snapshot() as db:
        return [text for _, text in await usage.problems(db)]


async def test_a_report_is_kept_in_its_own_words_and_answered_with_its_number() -> None:
    async with Harness(desk, members=staff()) as harness:
        reply = await harness.say("alice", "/不具合 ＜通知＞が\n来ません")
        assert reply is not None
        assert "受付番号は1" in reply.text
        assert "電話" in reply.text, "nobody can be told here, and nothing else is promised"
        async with harness.database.snapshot() as db:
            assert await usage.problems(db) == [(harness.clock.now(), "＜通知＞が\n来ません")]


async def test_an_empty_report_is_asked_for_kindly_and_a_stranger_is_told_where_to_turn() -> None:
    async with Harness(desk, members=staff()) as harness:
        empty = await harness.say("alice", "/不具合　")
        stranger = await harness.say("mallory", "/problem x")
        assert empty is not None
        assert "例: /不具合" in empty.text
        assert stranger is not None
        assert "職員名簿" in stranger.text
        async with harness.database.snapshot() as db:
            assert await usage.problems(db) == []


async def test_what_is_written_after_the_question_is_the_report_and_yameru_leaves_it() -> None:
    async with Harness(desk, members=staff(ADMIN)) as harness:
        for word in ("/ふぐあい", "/フグアイ", "／ﾌｸﾞｱｲ", "/problem"):
            asked = await harness.say("alice", word)
            assert "何に困っていますか" in asked.text, word
        left = await harness.say("alice", "やめる")
        assert "取りやめました" in left.text
        assert await kept(harness) == []
        await harness.say("alice", "/不具合")
        thanks = await harness.say("alice", "朝から画面が真っ白です")
        assert "担当の人に届きました" in thanks.text
        assert await kept(harness) == ["朝から画面が真っ白です"]


@pytest.mark.parametrize("people", [[ADMIN, CHIEF], [CHIEF]])
async def test_an_administrator_is_told_at_once_or_else_the_headquarters(people: list[Entry]) -> None:
    async with Harness(desk, members=staff(*people)) as harness:
        await harness.say("alice", "/不具合 通知が来ません")
        told = {each.address.id: each.text for each in harness.sent if each.text.startswith("【不具合")}
        assert list(told) == [people[0].addresses["fake"]]
        (text,) = told.values()
        assert "佐藤さん（総務部）" in text
        assert "通知が来ません" in text


@pytest.mark.parametrize(
    ("answers", "closes"),
    [
        ("/不具合 1 返事 直しました", "/不具合 1 済"),
        ("/不具合 １番 返信\n直しました", "/不具合 済み １"),
        ("/不具合 #1 へんじ　直しました", "/不具合1済"),
        ("/problem 1 answer 直しました", "/problem 1 Close"),
        ("/ふぐあい 返事 1 直しました", "/フグアイ 1番 完了"),
    ],
)
async def test_it_is_listed_answered_and_closed_and_the_person_hears_of_each(answers: str, closes: str) -> None:
    async with Harness(desk, members=staff(ADMIN)) as harness:
        await harness.say("alice", "/不具合 通知が来ません")
        listed = await harness.say("admin", "/不具合 一覧")
        assert "■1番" in listed.text
        assert "通知が来ません" in listed.text
        done = await harness.say("admin", answers)
        assert "返事を送りました" in done.text
        assert "直しました" in harness.sent_to("alice")[-1].text
        assert "受付番号1" in harness.sent_to("alice")[-1].text
        shown = await harness.say("admin", "/不具合 1")
        assert "→ 鈴木" in shown.text
        done = await harness.say("admin", closes)
        assert "済みにし" in done.text
        assert "対応が終わりました" in harness.sent_to("alice")[-1].text
        count = len(harness.sent_to("alice"))
        again = await harness.say("admin", closes)
        assert "すでに済んでいます" in again.text
        assert len(harness.sent_to("alice")) == count
        assert "ありません" in (await harness.say("admin", "/不具合 一覧")).text
        assert "済" in (await harness.say("admin", "/不具合 一覧 全部")).text
        async with harness.database.snapshot() as db:
            actions = (await db.scalars(select(audit_log.c.action).order_by(audit_log.c.seq))).all()
        assert [each for each in actions if each.startswith("problem.")] == ["problem.answered", "problem.closed"]


async def test_only_those_who_see_to_them_may_list_answer_and_close() -> None:
    async with Harness(desk, members=staff(ADMIN)) as harness:
        await harness.say("alice", "/不具合 通知が来ません")
        for words in ("一覧", "1 返事 直しました", "1 済"):
            refused = await harness.say("alice", f"/不具合 {words}")
            assert "管理者と災害対策本部だけ" in refused.text
        assert await kept(harness) == ["通知が来ません"]
        none = await harness.say("admin", "/不具合 7 返事 直しました")
        empty = await harness.say("admin", "/不具合 1 返事")
        assert "7番はありません" in none.text
        assert "返事の文を続けて" in empty.text
        async with harness.database.snapshot() as db:
            subjects = (await db.scalars(select(audit_log.c.subject).order_by(audit_log.c.seq))).all()
        assert subjects[-3:] == ["problems", "problem:1", "problem:1"]


@pytest.mark.parametrize(
    "words",
    [
        "3階のプリンターが動きません",
        "1と書いても進みません",
        "一覧が出ません",
        "済みにしたのに届きます",
        "返事が来ません",
    ],
)
async def test_a_report_that_begins_like_an_order_is_a_report(words: str) -> None:
    async with Harness(desk, members=staff(ADMIN)) as harness:
        await harness.say("alice", f"/不具合 {words}")
        await harness.say("admin", f"/不具合 {words}")
        assert await kept(harness) == [words, words]


async def test_words_of_need_in_the_middle_of_a_report_reach_the_headquarters() -> None:
    async with Harness(desk, members=staff(CHIEF)) as harness:
        preview = await harness.say("hq", "/一斉 緊急 安否 地震です")
        await harness.press("hq", preview, "送信する")
        await harness.say("alice", "/不具合")
        await harness.say("alice", "足を折って動けません")
        assert harness.sent_to("hq")[-1].text.startswith("【要救助】")
        assert await kept(harness) == []
        await harness.say("alice", "画面が真っ白です")
        assert await kept(harness) == ["画面が真っ白です"]
