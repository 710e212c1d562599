"""What people in need write while a safety question is open: understood, kept, and at the headquarters at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.messages import Priority
from bot.tables import deliveries
from bot.testing.harness import Harness
from broadcasts.condition import condition
from broadcasts.tables import answer_words, broadcast_answers, help_calls
from tests.broadcasts.test_answers import asked, last, location
from tests.broadcasts.test_chat import chat

RESCUE = (
    "足の骨を折って動けません/救助してください/助けて/閉じ込められた/ﾀｽｹﾃ/タスケテ！/"
    "足が挟まれて動けへん/要救助です/救急車を呼んで/"
    "help me/I'm trapped/無事ですが動けません/瓦礫の下敷きになっています/出られません/"
    "助けに来てもらえますか/動 け ま せ ん/"
    "たすけてくんちぇ/歩けません/助けt/Please help, I can't move"
)
HURT = (
    "けがした/ケガ/怪我してます/血が出てる/ｹｶﾞしました/手を切った/頭を打った/足折れた/腕が痛い/"
    "I am hurt/骨折しました/やけどした/"
    "無事ですが足をけがしました/I broke my leg"
)
SAFE = (
    "無事です/大丈夫/ぶじ/家族も無事/ﾌﾞｼﾞです/無事です、けがはありません/私も家族も無事です/"
    "I'm safe/OK/だいじょうぶだっぺ/"
    "けがもなく無事です/救助は不要、無事です/無事ですが、母が動けません/異常なし"
)
UNCLEAR = (
    "無事ではない/大丈夫じゃない/大丈夫ではありません/けがはない/大丈夫ですか/母が動けません/"
    "家族は無事/家は大丈夫/無事でいて/"
    "大丈夫かどうかわかりません/not safe/I'm not ok/たぶん大丈夫/大丈夫やない/無事とはいえない/"
    "けがしていません/安全ではない/"
    "田中さんが血を流しています/isn't safe/電源を切った/負傷者なし/けがしましたか"
)


@pytest.mark.parametrize(
    ("words", "choice"),
    [
        (words, choice)
        for listed, choice in ((RESCUE, "rescue"), (HURT, "hurt"), (SAFE, "safe"), (UNCLEAR, None))
        for words in listed.split("/")
    ],
)
def test_how_people_say_that_they_are_safe_hurt_or_in_need(words: str, choice: str | None) -> None:
    assert condition(words).choice == choice


@given(
    st.sampled_from(["無事", "大丈夫", "安全", "平気"]),
    st.sampled_from(["じゃない", "ではない", "ではありません", "でない"]),
)
def test_whoever_denies_being_safe_is_never_safe_and_somebody_reads_it(word: str, denied: str) -> None:
    for words in (f"{word}{denied}", f"私は {word}{denied}です。", f"{word} {denied}！！"):
        assert condition(words).choice != "safe"
        assert condition(words).alarming


async def kept(harness: Harness) -> list[str]:
    async with harness.database.snapshot() as db:
        return list(await db.scalars(select(answer_words.c.text).order_by(answer_words.c.id)))


async def test_rescue_reaches_the_headquarters_at_once_with_who_where_and_every_word() -> None:
    async with chat() as harness:
        notice = await asked(harness, "/一斉 緊急 安否 地震です")
        await harness.post("b", "足の骨を折って動けません")
        told = last(harness, "hq")
        assert told.text.startswith("【要救助】職員b（税務課）")
        assert "様子・場所：足の骨を折って動けません" in told.text
        assert [button.label for button in told.buttons] == ["対応します"]
        async with harness.database.snapshot() as db:
            urgent = await db.scalars(select(deliveries.c.priority).where(deliveries.c.key.startswith("distress:")))
        assert set(urgent) == {Priority.EMERGENCY}
        await harness.advance(timedelta(hours=2))
        await harness.post("b", "3階の倉庫です")
        assert "3階の倉庫です" in last(harness, "hq").text
        await location(harness, "b")
        assert "市民センター" in last(harness, "hq").text
        assert await kept(harness) == [
            "足の骨を折って動けません",
            "3階の倉庫です",
            "市民センター 35.50000,139.25000",
        ]
        before = len(harness.sent_to("hq"))
        await harness.press("b", notice, "要救助")
        await harness.press("b", notice, "要救助")
        assert len(harness.sent_to("hq")) == before  # nothing new
        await harness.advance(timedelta(minutes=1))
        await harness.press("b", notice, "無事")
        assert "「無事」に変わりました" in last(harness, "hq").text
        await harness.press("c", notice, "無事")
        before = len(harness.sent_to("hq"))
        await harness.advance(timedelta(minutes=1))
        await harness.press("c", notice, "負傷")
        assert len(harness.sent_to("hq")) == before + 1


async def test_an_officer_takes_somebody_over_by_the_button_or_by_its_words_and_the_person_hears_of_it() -> None:
    async with chat() as harness:
        notice = await asked(harness, "/一斉 緊急 安否 地震です")
        await harness.press("b", notice, "要救助")
        await harness.post("hq", "対応します")
        assert "災害対策本部の 職員hqさん" in last(harness, "b").text
        assert "職員b（税務課）への対応を引き受けた" in last(harness, "hq").text
        await harness.post("b", "棚の下です")
        assert "職員hqさんが対応しています" in last(harness, "hq").text
        async with harness.database.snapshot() as db:
            call = (await db.execute(select(help_calls))).one()
        assert call.taken_at == harness.clock.now()


async def test_a_colleague_cannot_take_over_what_the_headquarters_was_told() -> None:
    async with chat() as harness:
        notice = await asked(harness, "/一斉 緊急 安否 地震です")
        await harness.press("b", notice, "要救助")
        told = last(harness, "hq")
        await harness.press("c", told, "対応します")
        assert "災害対策本部の人が使うボタン" in last(harness, "c").text


async def test_a_sentence_about_somebody_else_is_an_answer_and_a_call() -> None:
    async with chat() as harness:
        await asked(harness, "/一斉 緊急 安否 地震です")
        assert "「無事（無事ですが、母が動けません）」" in (await harness.say("b", "無事ですが、母が動けません")).text
        assert "本人のことば：無事ですが、母が動けません" in last(harness, "hq").text
        again = await harness.say("c", "無事ではないです")
        assert "災害対策本部に知らせました" in again.text
        assert [button.label for button in again.buttons] == ["無事", "負傷", "要救助"]
        assert "職員c" in last(harness, "hq").text


@pytest.mark.parametrize(
    "words",
    ["一斉 緊急 川の水が増えています。避難してください", "既読 12", "既読12", "訂正 1 本文", "ヘルプ", "取消 3"],
)
@pytest.mark.parametrize(("question", "label"), [("安否", "要救助"), ("参集", "参集できない"), ("参集", "参集する")])
async def test_a_command_without_its_slash_is_no_reason_no_time_and_no_place(
    words: str, question: str, label: str
) -> None:
    async with chat() as harness:
        notice = await asked(harness, f"/一斉 緊急 {question} 地震です")
        await harness.press("hq", notice, label)
        heard = await harness.say("hq", words)
        assert heard.text == f"はじめに「/」を付けて送ってください。\n/{words}"
        assert await kept(harness) == []
        async with harness.database.snapshot() as db:
            row = (await db.execute(select(broadcast_answers))).one()
        assert row.latest_detail == ""


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1), max_size=6),
    opened=st.lists(st.sampled_from(["安否", "参集", "確認", "選択（A／B）"]), min_size=1, max_size=3, unique=True),
    pressed=st.sampled_from([None, "要救助", "無事"]),
)
def test_nothing_that_is_typed_while_a_safety_question_is_open_is_dropped(
    texts: list[str], opened: list[str], pressed: str | None
) -> None:
    async def run() -> None:
        async with chat() as harness:
            notice = await asked(harness, "/一斉 緊急 安否 地震です")
            for number, question in enumerate(each for each in opened if each != "安否"):
                await asked(harness, f"/一斉 緊急 {question} 本文{number}", number + 2)
            if pressed is not None:
                await harness.press("b", notice, pressed)
            for text in texts:
                before = len(harness.sent_to("b"))
                await harness.post("b", text)
                answered = len(harness.sent_to("b")) > before
                assert answered or text.strip() in "\n".join(await kept(harness)), text

    asyncio.run(run())
