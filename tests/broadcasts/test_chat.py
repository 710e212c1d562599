"""Notices as people meet them in the chat, through the whole pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.audit.tables import audit_log
from bot.directory import HEADQUARTERS, Entry
from bot.events import MemberJoined, MemberLeft
from bot.tables import members
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts.service import Broadcasts
from broadcasts.show import pages
from handlers.broadcasts import Wish, build_router, parse


def entry(code: str, department: str, *roles: str) -> Entry:
    return Entry(code, f"職員{code}", department, roles=roles, addresses={"fake": code})


PEOPLE = [
    entry("hq", "総務課", HEADQUARTERS),
    entry("a", "総務課"),
    entry("b", "税務課"),
    entry("c", "税務課"),
    entry("d", "土木課"),
]


@asynccontextmanager
async def chat(people: list[Entry] | None = None) -> AsyncIterator[Harness]:
    services: list[Broadcasts] = []

    def build(harness: Harness):  # type: ignore[no-untyped-def] # inferred
        platform = {harness.platform.name: harness.platform}
        services.append(
            Broadcasts(harness.database, harness.outbox, platform, harness.clock, harness.activity, Texts("broadcasts"))
        )
        return build_router(services[0])

    async with Harness(build, members=people or PEOPLE) as harness:
        await services[0].start()
        try:
            await harness.idle()
            yield harness
        finally:
            await services[0].stop()


def notices(harness: Harness, number: int = 1) -> list[SentMessage]:
    return [message for message in harness.sent if message.reference == f"broadcast:{number}"]


async def test_the_headquarters_previews_confirms_and_follows_a_notice() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/一斉 緊急 大雨警報が出ました。\n18時に参集してください。")
        assert "宛先：5人" in seen.text
        assert "税務課 2人" in seen.text
        assert "ルーム 1個で 5人（全職員 1）" in seen.text
        assert "【緊急】\n大雨警報が出ました。\n18時に参集してください。" in seen.text
        assert notices(harness) == []
        (receipt,) = [m for m in await harness.press("hq", seen, "送信する") if m.reference is None]
        assert "/既読 1" in receipt.text
        (notice,) = notices(harness)
        assert notice.address.kind == "room"
        await harness.read("a", notice)
        await harness.read("b", notice)
        answer = await harness.say("hq", "/既読")
        assert "既読 2／5人（40%）、未読 3人" in answer.text
        assert "税務課 1／2人（50%）" in answer.text
        names = await harness.say("hq", "/既読 １ 未読")
        assert "職員c" in names.text
        assert "職員b" not in names.text


async def test_pressing_send_twice_sends_once() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/broadcast drill 本文")
        await harness.press("hq", seen, "送信する")
        (again,) = await harness.press("hq", seen, "送信する")
        assert "すでに送信済み" in again.text
        (late,) = await harness.press("hq", seen, "やめる")
        assert "取りやめられません" in late.text
        assert [notice.text for notice in notices(harness)] == ["【訓練】これは訓練です。\n本文"]


async def test_a_draft_that_was_dropped_stays_unsent() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/一斉 本文")
        (answer,) = await harness.press("hq", seen, "やめる")
        assert "取りやめました" in answer.text
        (answer,) = await harness.press("hq", seen, "送信する")
        assert "取りやめ済み" in answer.text
        assert notices(harness) == []


async def test_a_notice_to_nobody_is_not_sent_after_its_recipients_have_left() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/一斉 @a 本文")
        async with harness.database.transaction() as db:
            await db.execute(update(members).where(members.c.code == "a").values(active=False))
        (answer,) = await harness.press("hq", seen, "送信する")
        assert "いまは一人もいません" in answer.text
        # Nor by the buttons of a preview that is drawn only now.
        _, empty = await harness.post("hq", "/訂正 1 別の本文")
        assert "いまは一人もいません" in (await harness.press("hq", empty, "送信する"))[-1].text
        assert "まだ送っていません" in (await harness.say("hq", "/既読 1")).text


async def test_if_somebody_joins_between_preview_and_sending_the_author_is_asked_again() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/一斉 本文")
        async with harness.database.transaction() as db:
            from bot.directory import save

            await save(db, [entry("new", "土木課")])
        changed, again = await harness.press("hq", seen, "送信する")
        assert "宛先か文面が変わったため" in changed.text
        assert "宛先：6人" in again.text
        assert notices(harness) == []
        await harness.press("hq", again, "送信する")
        assert {notice.address.id for notice in notices(harness)} >= {"new"}


async def test_departments_are_named_with_an_at_sign_and_left_out_with_a_minus() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/一斉 ＠税務課 @土木課 -@c 本文")
        assert "宛先：2人" in seen.text
        await harness.press("hq", seen, "送信する")
        assert {notice.address.id for notice in notices(harness)} == {"b", "d"}


async def test_an_unknown_department_is_answered_with_the_nearest_name() -> None:
    async with chat() as harness:
        answer = await harness.say("hq", "/一斉 @税務 本文")
        assert "「税務」という所属・グループ・役職・職員は見つかりません" in answer.text
        assert "税務課" in answer.text
        assert "見つかりません" in (await harness.say("hq", "/一斉 @XYZ 本文")).text


async def test_without_a_text_the_bot_explains_with_an_example() -> None:
    async with chat() as harness:
        assert "例：" in (await harness.say("hq", "/一斉")).text
        assert "例：" in (await harness.say("hq", "/一斉 緊急 @税務課")).text


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        ("/一斉 本文", "災害対策本部の担当者だけ"),
        ("/既読", "送る人・承認する人だけ"),
        ("/既読 7", "送る人・承認する人だけ"),
    ],
)
async def test_others_are_refused_politely_and_it_is_written_down(command: str, refusal: str) -> None:
    async with chat() as harness:
        assert refusal in (await harness.say("a", command)).text
        assert "職員名簿に登録がない" in (await harness.say("nobody", command)).text
        async with harness.database.snapshot() as db:
            rows = (await db.execute(select(audit_log.c.actor, audit_log.c.action))).all()
        assert [tuple(row) for row in rows] == [("a", "broadcast.refused"), ("stranger", "broadcast.refused")]


async def test_a_button_in_the_wrong_hands_sends_nothing() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/一斉 本文")
        (refusal,) = await harness.press("a", seen, "送信する")
        assert "担当者だけ" in refusal.text
        assert notices(harness) == []


async def test_in_a_room_the_commands_point_to_pair_talk() -> None:
    async with chat() as harness:
        assert "1対1のトーク" in (await harness.say("hq", "/一斉 本文", room="r1")).text
        assert "1対1のトーク" in (await harness.say("hq", "/既読", room="r1")).text


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("/既読", "まだ一斉連絡はありません"),
        ("/既読 99", "番号 99 の一斉連絡はありません"),
        ("/既読 いち", "/既読 番号"),
        ("/既読 税務課", "まだ一斉連絡はありません"),
        ("/既読 1 2", "/既読 番号"),
        ("/一斉 " + "あ" * 6000, "本文が長すぎます"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_what_to_mend(command: str, answer: str) -> None:
    async with chat() as harness:
        assert answer in (await harness.say("hq", command)).text


async def test_the_unread_are_reminded_by_pair_talk() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 本文"), "送信する")
        await harness.advance(timedelta(minutes=15))
        reminder = harness.sent_to("a")[-1]
        assert "まだ読まれていない" in reminder.text
        await harness.read("a", reminder)
        assert "既読 1／5人" in (await harness.say("hq", "/既読 1")).text
        assert "リマインド 1回" in (await harness.say("hq", "/既読 1")).text


async def test_when_all_have_read_there_are_no_names_to_show() -> None:
    async with chat() as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 @税務課 本文"), "送信する")
        for notice in notices(harness):
            for person in ("b", "c"):
                await harness.read(person, notice)
        assert "2人全員が読みました" in (await harness.say("hq", "/既読 1 未読")).text


async def test_a_notice_that_somebody_cannot_get_says_so() -> None:
    async with chat([*PEOPLE, Entry("x", "職員x", "土木課")]) as harness:
        seen = await harness.say("hq", "/一斉 本文")
        assert "届け先がない人 1人" in seen.text
        await harness.press("hq", seen, "送信する")
        assert "届け先がない人 1人" in (await harness.say("hq", "/既読")).text
        assert "職員x（届け先なし）" in (await harness.say("hq", "/既読 1 未読")).text


async def test_many_departments_are_summed_up_and_long_lists_are_split() -> None:
    crowd = [entry(f"n{number:03}" + "長" * 60, f"第{number}課") for number in range(100)]
    async with chat([*PEOPLE, *crowd]) as harness:
        seen = await harness.say("hq", "/一斉 本文")
        assert "ほか 73所属 73人" in seen.text
        await harness.press("hq", seen, "送信する")
        answers = await harness.post("hq", "/既読 1 未読")
        assert len(answers) > 1
        assert all(len(answer.text) <= 5000 for answer in answers)
        assert sum(answer.text.count("職員n") for answer in answers) == 100


async def test_who_leaves_the_room_gets_the_next_notice_by_pair_talk() -> None:
    async with chat() as harness:
        (room,) = harness.platform.rooms
        moves = {"adapter": "fake", "conversation": room, "occurred_at": harness.clock.now(), "member": "a"}
        await harness.receive(MemberLeft(key="left", **moves))
        await harness.press("hq", await harness.say("hq", "/一斉 本文"), "送信する")
        assert {notice.address.id for notice in notices(harness)} == {room, "a"}
        await harness.receive(MemberJoined(key="back", **moves))
        await harness.press("hq", await harness.say("hq", "/一斉 別の本文"), "送信する")
        assert {notice.address.id for notice in notices(harness, 2)} == {room}


async def test_a_forged_button_is_answered_and_changes_nothing() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/一斉 本文")
        for data in ("broadcast:confirm:x:y", "broadcast:", "broadcast:explode"):
            from bot.events import ButtonPressed

            await harness.receive(
                ButtonPressed(
                    adapter="fake",
                    key=data,
                    conversation="hq",
                    direct=True,
                    occurred_at=harness.clock.now(),
                    sender="hq",
                    message_id=seen.id,
                    data=data,
                )
            )
            assert "このボタンは使えません" in harness.sent_to("hq")[-1].text


def test_the_body_keeps_its_lines_and_its_own_words() -> None:
    assert parse("  緊急　＠土木課\n緊急 の連絡です。\n　次の行 ") == Wish(
        "emergency", ("土木課",), (), "緊急 の連絡です。\n　次の行"
    )
    assert parse("@税務課 訓練 本文") == Wish("drill", ("税務課",), (), "本文")
    assert parse("Drill -@a x") == Wish("drill", (), ("a",), "x")
    assert parse("本文 @税務課") == Wish("notice", (), (), "本文 @税務課")
    assert parse("@ x") == Wish("notice", (), (), "@ x")


def test_pages_never_outgrow_a_message_and_lose_nothing() -> None:
    lines = ["あ" * 25, "い" * 3, "", "う" * 9]
    cut = pages(lines, 10)
    assert all(len(page) <= 10 for page in cut)
    assert "".join(cut).replace("\n", "") == "".join(lines)
