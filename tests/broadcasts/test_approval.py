"""Who may send to whom, and the second person: requests, refusals, the duty officer, and the audit of it all."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from bot.audit.tables import audit_log
from bot.clock import TOKYO
from bot.directory import ADMINISTRATOR, APPROVER, DUTY_OFFICER, HEADQUARTERS, SENDER, Entry
from bot.tables import departments, member_roles, members
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts.approval import ApprovalPolicy
from broadcasts.quiet import QuietHours
from broadcasts.service import Broadcasts, BroadcastSettings
from broadcasts.signature import Signature
from handlers.broadcasts import build_router


def entry(code: str, department: str, *roles: str, reachable: bool = True) -> Entry:
    return Entry(code, f"職員{code}", department, roles=roles, addresses={"fake": code} if reachable else {})


PEOPLE = [
    entry("hq", "総務課", HEADQUARTERS),
    entry("duty", "総務課", DUTY_OFFICER),
    entry("admin", "情報課", ADMINISTRATOR),
    entry("boss", "税務課", APPROVER),
    entry("tax", "税務課", SENDER),
    entry("b", "税務課"),
    entry("d", "土木課"),
    entry("lost", "土木課", reachable=False),
]
ALL_KINDS = ApprovalPolicy(headquarters=frozenset({"emergency"}), others=frozenset({"notice", "emergency", "drill"}))


@asynccontextmanager
async def chat(
    policy: ApprovalPolicy | None = None,
    quiet: QuietHours | None = None,
    services: list[Broadcasts] | None = None,
    signature: Signature | None = None,
) -> AsyncIterator[Harness]:
    """A bot that runs; whoever wants to stop it gives a list and finds it there."""
    services = [] if services is None else services

    def build(harness: Harness):  # type: ignore[no-untyped-def] # inferred
        settings = BroadcastSettings(approval=policy or ApprovalPolicy(), quiet=quiet, signature=signature)
        platform = {harness.platform.name: harness.platform}
        texts = Texts("broadcasts")
        parts = (harness.database, harness.outbox, platform, harness.clock, harness.activity, texts, settings)
        services.append(Broadcasts(*parts))
        return build_router(services[0])

    async with Harness(build, members=PEOPLE) as harness:
        async with harness.database.transaction() as db:
            tax = select(departments.c.id).where(departments.c.name == "税務課").scalar_subquery()
            await db.execute(
                update(member_roles).where(member_roles.c.role.in_((SENDER, APPROVER))).values(department_id=tax)
            )
        await services[0].start()
        try:
            await harness.idle()
            yield harness
        finally:
            await services[0].stop()


async def actions(harness: Harness) -> list[tuple[str, str]]:
    async with harness.database.snapshot() as db:
        rows = await db.execute(select(audit_log.c.actor, audit_log.c.action).order_by(audit_log.c.seq))
        return [(row.actor, row.action) for row in rows]


def notices(harness: Harness) -> list[SentMessage]:
    return [message for message in harness.sent if (message.reference or "").startswith("broadcast:")]


def asked(harness: Harness, person: str) -> SentMessage:
    return next(m for m in reversed(harness.sent_to(person)) if any(b.data.startswith("approval:") for b in m.buttons))


async def test_a_limited_sender_reaches_their_own_department_and_no_other() -> None:
    async with chat() as harness:
        refusal = await harness.say("tax", "/一斉 本文")
        assert "5人は、あなたが送れる範囲（税務課）の外" in refusal.text
        assert ("tax", "broadcast.refused") in await actions(harness)
        await harness.press("tax", await harness.say("tax", "/一斉 @税務課 本文"), "送信する")
        assert notices(harness)


async def test_a_refusal_is_written_down_and_nothing_else_is() -> None:
    async with chat() as harness:
        await harness.say("b", "/一斉 本文")
        await harness.say("tax", "/一斉 @土木課 本文")
        assert await actions(harness) == [("b", "broadcast.refused"), ("tax", "broadcast.refused")]


async def test_an_emergency_of_a_sender_waits_for_a_second_person() -> None:
    async with chat() as harness:
        seen = await harness.say("tax", "/一斉 緊急 @税務課 本文")
        (answer,) = await harness.press("tax", seen, "承認を依頼する")
        assert "承認されるまで送りません" in answer.text
        assert notices(harness) == []
        assert "承認待ち" in (await harness.press("tax", seen, "承認を依頼する"))[-1].text
        for person in ("hq", "boss"):
            assert "本文" in asked(harness, person).text
        assert not any(m.buttons and "approval" in m.buttons[0].data for m in harness.sent_to("tax"))
        await harness.press("boss", asked(harness, "boss"), "承認する")
        assert notices(harness)
        count = len(notices(harness))
        assert "すでに 職員bossさんが承認" in (await harness.press("hq", asked(harness, "hq"), "承認する"))[-1].text
        assert len(notices(harness)) == count
        assert "職員bossさんが承認しました" in "".join(m.text for m in harness.sent_to("tax"))
        written = [action for _, action in await actions(harness)]
        assert written == [
            "broadcast.drafted",
            "broadcast.approval_requested",
            "broadcast.approved",
            "broadcast.sent",
        ]


@pytest.mark.parametrize("how", ["right", "left"])
async def test_whoever_lost_the_right_to_send_after_asking_is_not_approved(how: str) -> None:
    async with chat() as harness:
        await harness.press("tax", await harness.say("tax", "/一斉 緊急 @税務課 本文"), "承認を依頼する")
        async with harness.database.transaction() as db:
            if how == "right":
                await db.execute(delete(member_roles).where(member_roles.c.role == SENDER))
            else:
                await db.execute(update(members).where(members.c.code == "tax").values(active=False))
        (answer,) = await harness.press("boss", asked(harness, "boss"), "承認する")
        assert "番号 1 は承認できません" in answer.text
        assert ("担当者だけ" if how == "right" else "職員名簿にいません") in answer.text
        assert notices(harness) == []
        assert (await actions(harness))[-1][1] == "broadcast.refused"
        await harness.press("boss", asked(harness, "boss"), "差し戻す")
        assert "差し戻しました" in (await harness.say("boss", "書いた人が異動しました")).text


async def test_nobody_approves_their_own() -> None:
    async with chat(ALL_KINDS) as harness:
        await harness.press("hq", await harness.say("hq", "/一斉 緊急 @税務課 本文"), "承認を依頼する")
        request = asked(harness, "boss")
        assert not any("approval" in b.data for m in harness.sent_to("hq") for b in m.buttons)
        (answer,) = await harness.press("hq", request, "承認する")
        assert "自分では承認できません" in answer.text
        assert notices(harness) == []
        assert (await actions(harness))[-1] == ("hq", "broadcast.refused")
        assert "担当者だけ" in (await harness.press("b", request, "承認する"))[-1].text


async def test_where_nobody_else_may_approve_the_author_is_told() -> None:
    async with chat(ALL_KINDS) as harness:
        (answer,) = await harness.press("hq", await harness.say("hq", "/一斉 緊急 本文"), "承認を依頼する")
        assert "承認できる人が、ほかにいません" in answer.text


@pytest.mark.parametrize("written", [True, False])
async def test_what_is_sent_back_comes_with_its_reason(written: bool) -> None:
    async with chat() as harness:
        await harness.press("tax", await harness.say("tax", "/一斉 緊急 @税務課 本文"), "承認を依頼する")
        question = (await harness.press("boss", asked(harness, "boss"), "差し戻す"))[-1]
        if written:
            await harness.say("boss", "場所を書いてください")
        else:
            await harness.press("boss", question, "文面を見直してください")
        reason = "場所を書いてください" if written else "文面を見直してください"
        assert f"理由：{reason}" in harness.sent_to("tax")[-1].text
        assert (
            "すでに 職員bossさんが差し戻して" in (await harness.press("hq", asked(harness, "hq"), "承認する"))[-1].text
        )
        assert "差し戻して" in (await harness.press("hq", asked(harness, "hq"), "差し戻す"))[-1].text
        assert notices(harness) == []
        assert await harness.post("boss", "ふつうのことば") == []


async def test_a_request_expires_and_the_author_is_told() -> None:
    async with chat(ApprovalPolicy(expires_after=timedelta(hours=2))) as harness:
        seen = await harness.say("tax", "/一斉 緊急 @税務課 本文")
        await harness.press("tax", seen, "承認を依頼する")
        await harness.advance(timedelta(hours=2))
        assert "期限までに承認されませんでした" in harness.sent_to("tax")[-1].text
        assert "期限は過ぎました" in (await harness.press("boss", asked(harness, "boss"), "承認する"))[-1].text
        assert notices(harness) == []
        await harness.press("tax", seen, "承認を依頼する")
        await harness.press("boss", asked(harness, "boss"), "承認する")
        assert notices(harness)


async def test_the_duty_officer_sends_an_emergency_alone_and_is_reviewed_afterwards() -> None:
    async with chat() as harness:
        seen = await harness.say("duty", "/一斉 緊急 避難してください")
        await harness.press("duty", seen, "単独で送信する")
        assert notices(harness)
        assert "承認なしで送信しました" in harness.sent_to("admin")[0].text
        review = asked(harness, "hq")
        assert "記録しました" in (await harness.press("hq", review, "確認しました"))[-1].text
        assert "すでに 職員hqさんが確認" in (await harness.press("hq", review, "確認しました"))[-1].text
        assert "担当者だけ" in (await harness.press("duty", review, "確認しました"))[-1].text
        written = [action for _, action in await actions(harness)]
        assert written == [
            "broadcast.drafted",
            "broadcast.sent",
            "broadcast.sent_alone",
            "broadcast.reviewed",
            "broadcast.refused",
        ]


async def test_the_duty_officer_is_told_that_a_review_follows_and_sees_its_end() -> None:
    async with chat() as harness:
        seen = await harness.say("duty", "/一斉 緊急 安否 避難してください")
        assert "「単独で送信する」を押すと、すぐに送ります" in seen.text
        (answer,) = await harness.press("duty", seen, "単独で送信する")
        # hq: boss may approve for their own section only.
        assert "管理者に知らせ、1人にあとからの確認を頼みました" in answer.text
        assert "【安否確認】" in asked(harness, "hq").text  # what people have, with its question
        await harness.press("hq", asked(harness, "hq"), "確認しました")
        assert "単独送信を 職員hqさんが確認しました" in harness.sent_to("duty")[-1].text


async def test_a_review_is_asked_for_again_each_working_morning_until_it_is_made() -> None:
    async with chat() as harness:
        friday = datetime(2026, 11, 27, 2, 0, tzinfo=TOKYO)
        await harness.advance(friday - harness.clock.now())
        await harness.press("duty", await harness.say("duty", "/一斉 緊急 避難してください"), "単独で送信する")

        def wanted() -> int:
            return sum(m.text.startswith("【確認のお願い】") for m in harness.sent_to("hq"))

        await harness.advance(timedelta(hours=6, minutes=59))
        assert wanted() == 0
        await harness.advance(timedelta(minutes=1))
        assert wanted() == 1
        await harness.advance(timedelta(days=2, hours=23))  # until Monday, 08:00
        assert wanted() == 1
        await harness.advance(timedelta(hours=1))
        assert wanted() == 2
        assert "記録しました" in (await harness.press("hq", asked(harness, "hq"), "確認しました"))[-1].text
        await harness.advance(timedelta(days=7))
        assert wanted() == 2


async def test_administrators_learn_that_nobody_can_review() -> None:
    async with chat() as harness:
        async with harness.database.transaction() as db:
            await db.execute(delete(member_roles).where(member_roles.c.role == HEADQUARTERS))
        (answer,) = await harness.press("duty", await harness.say("duty", "/一斉 緊急 避難"), "単独で送信する")
        assert notices(harness)
        assert "あとから確認できる人は、いまほかにいません" in answer.text
        assert "名簿に承認者を登録してください" in harness.sent_to("admin")[0].text


async def test_every_preview_names_the_buttons_that_are_under_it() -> None:
    async with chat(ALL_KINDS) as harness:
        seen = await harness.say("tax", "/一斉 緊急 @税務課 本文")
        await harness.press("tax", seen, "承認を依頼する")
        shown = [seen, asked(harness, "boss"), await harness.say("hq", "/一斉 本文")]
        shown += [await harness.say("duty", "/一斉 緊急 本文")]
        for message in shown:
            labels = [button.label for button in message.buttons]
            named = re.findall("「(送信する|承認を依頼する|単独で送信する|承認する|差し戻す|やめる)」", message.text)
            assert named, message.text
            assert set(named) <= set(labels)


async def test_whoever_asked_is_told_what_came_of_an_approval() -> None:
    async with chat() as harness:
        seen = await harness.say("tax", "/一斉 緊急 @税務課 本文")
        (answer,) = await harness.press("tax", seen, "承認を依頼する")
        assert "承認を、2人に依頼しました" in answer.text
        (approved,) = await harness.press("boss", asked(harness, "boss"), "承認する")
        assert "宛先 3人" in approved.text
        assert "/取消" not in approved.text  # who may only approve cannot take it back
        assert "宛先は 3人です" in harness.sent_to("tax")[-1].text
        assert "「/既読 1」" in harness.sent_to("tax")[-1].text


@pytest.mark.parametrize("slip", ["やっぱり やめる", "承認する。", "差し戻さない"])
async def test_whoever_pressed_send_back_by_mistake_can_go_back(slip: str) -> None:
    async with chat() as harness:
        await harness.press("tax", await harness.say("tax", "/一斉 緊急 @税務課 本文"), "承認を依頼する")
        (question,) = await harness.press("boss", asked(harness, "boss"), "差し戻す")
        if slip == "差し戻さない":
            await harness.press("boss", question, slip)
        else:
            await harness.say("boss", slip)
        assert "差し戻していません" in harness.sent_to("boss")[-2].text
        assert not any("差し戻しました" in m.text for m in harness.sent_to("tax"))
        await harness.press("boss", harness.sent_to("boss")[-1], "承認する")
        assert notices(harness)


async def test_an_approver_finds_what_waits_for_them() -> None:
    async with chat(ALL_KINDS) as harness:
        assert "待っている連絡はありません" in (await harness.say("boss", "/承認")).text
        await harness.press("tax", await harness.say("tax", "/一斉 @税務課 本文い"), "承認を依頼する")
        await harness.press("hq", await harness.say("hq", "/一斉 緊急 @税務課 本文ろ"), "承認を依頼する")
        assert "2件" in (await harness.post("boss", "/承認する"))[0].text  # what `plainly` tells them to type
        title, first, second = await harness.post("boss", "／承認")
        assert "2件" in title.text
        assert ("本文い" in first.text, "本文ろ" in second.text) == (True, True)
        _, only = await harness.post("hq", "/承認")  # nobody decides on their own
        assert "本文い" in only.text
        assert "担当者と承認者だけ" in (await harness.say("b", "/承認")).text
        await harness.press("hq", only, "承認する")
        assert "本文い" in notices(harness)[0].text
        await harness.press("boss", second, "承認する")
        assert "待っている連絡はありません" in (await harness.say("boss", "/承認")).text


async def test_the_longest_notice_is_reviewed_in_messages_that_every_platform_takes() -> None:
    async with chat() as harness:
        limit = harness.platform.capabilities.text_length
        refused = await harness.say("duty", "/一斉 緊急 " + "あ" * 2 * limit)
        excess = int(re.search("あと ([0-9]+)文字", refused.text)[1])  # type: ignore[index] # it says so
        await harness.press(
            "duty", await harness.say("duty", "/一斉 緊急 " + "あ" * (2 * limit - excess)), "単独で送信する"
        )
        assert max(len(message.text) for message in harness.sent) <= limit
        assert "承認なしで送信しました" in harness.sent_to("admin")[0].text
        await harness.press("hq", asked(harness, "hq"), "確認しました")
        assert "確認しました" in harness.sent_to("duty")[-1].text


async def test_an_open_review_is_found_too() -> None:
    async with chat() as harness:
        await harness.press("duty", await harness.say("duty", "/一斉 緊急 避難してください"), "単独で送信する")
        found = await harness.say("hq", "/承認")
        assert "避難してください" in found.text
        await harness.press("hq", found, "確認しました")
        assert "待っている連絡はありません" in (await harness.say("hq", "/承認")).text


async def test_how_a_notice_stands_that_has_not_gone_out_is_said() -> None:
    async with chat() as harness:
        seen = await harness.say("tax", "/一斉 緊急 @税務課 本文")
        assert "番号 1 は、まだ送っていません" in (await harness.say("tax", "/既読 1")).text
        await harness.press("tax", seen, "承認を依頼する")
        assert "番号 1 は承認を待っています" in (await harness.say("hq", "/既読 １")).text
        await harness.press("tax", seen, "やめる")
        assert "番号 1 は取りやめました" in (await harness.say("tax", "/既読 1")).text


async def test_the_text_of_a_draft_is_changed_and_what_was_shown_before_sends_nothing() -> None:
    async with chat() as harness:
        old = await harness.say("hq", "/一斉 緊急 安否 @税務課 避難所は北小")
        said, new = await harness.post("hq", "／訂正　１　避難所は南小")
        assert "文面を直しました" in said.text
        assert "避難所は南小" in new.text
        assert "【安否確認】" in new.text  # all else stays as it was
        (warning, _) = await harness.press("hq", old, "送信する")
        assert "宛先か文面が変わったため" in warning.text
        assert notices(harness) == []
        await harness.press("hq", new, "送信する")
        assert "避難所は南小" in notices(harness)[0].text
        assert ("hq", "broadcast.rewritten") in await actions(harness)
        # What has gone out is corrected, not rewritten.
        assert "番号 1（緊急）の訂正です" in (await harness.say("hq", "/訂正 1 避難所は東小")).text


async def test_a_text_that_was_changed_needs_an_approval_of_its_own() -> None:
    async with chat() as harness:
        await harness.press("tax", await harness.say("tax", "/一斉 緊急 @税務課 本文い"), "承認を依頼する")
        before = asked(harness, "boss")
        said, new = await harness.post("tax", "/訂正 1 本文ろ")
        assert "承認の依頼は取り下げました" in said.text
        assert "もう必要ありません" in (await harness.press("boss", before, "承認する"))[-1].text
        assert notices(harness) == []
        await harness.press("tax", new, "承認を依頼する")
        await harness.press("boss", asked(harness, "boss"), "承認する")
        assert "本文ろ" in notices(harness)[0].text


async def test_a_draft_of_others_or_a_secret_in_it_is_refused_as_at_first() -> None:
    async with chat() as harness:
        await harness.say("hq", "/一斉 @土木課 本文")
        assert "送れる範囲（税務課）の外" in (await harness.say("tax", "/訂正 1 別の本文")).text
        assert "認証情報" in (await harness.say("hq", "/訂正 1 パスワードは abcd1234 です")).text
        await harness.say("hq", "/予約 2023-10-02 09:00 予約の本文")
        await harness.press("hq", harness.sent_to("hq")[-1], "予約する")
        assert "もう直せません" in (await harness.say("hq", "/訂正 2 別の本文")).text


async def test_others_cannot_send_alone_with_a_forged_button() -> None:
    async with chat() as harness:
        seen = await harness.say("tax", "/一斉 緊急 @税務課 本文")
        first = seen.buttons[0]
        forged = first.model_copy(update={"data": first.data.replace("confirm", "alone")})
        seen.message = seen.message.model_copy(update={"buttons": (forged,)})
        (answer,) = await harness.press("tax", seen, forged.label)
        assert "当直責任者だけ" in answer.text
        assert notices(harness) == []


async def test_a_cancelled_draft_needs_no_approval_any_more() -> None:
    async with chat() as harness:
        seen = await harness.say("tax", "/一斉 緊急 @税務課 本文")
        await harness.press("tax", seen, "承認を依頼する")
        await harness.press("tax", seen, "やめる")
        assert "取りやめ済み" in (await harness.press("boss", asked(harness, "boss"), "承認する"))[-1].text
        assert "もう必要ありません" in (await harness.press("boss", asked(harness, "boss"), "差し戻す"))[-1].text


async def test_something_odd_in_the_text_asks_once_more_and_a_secret_stops_it() -> None:
    async with chat() as harness:
        warned = (await harness.press("hq", await harness.say("hq", "/一斉 〇〇時に集合"), "送信する"))[-1]
        assert "書きかけ" in warned.text
        assert notices(harness) == []
        await harness.press("hq", warned, "このまま進める")
        assert notices(harness)
        assert "認証情報" in (await harness.say("hq", "/一斉 パスワードは abcd1234 です")).text
        assert "{場所}" in (await harness.say("hq", "/一斉 {場所}に集合")).text


async def test_the_recipients_are_named_with_those_who_cannot_be_reached_and_what_platforms_show() -> None:
    async with chat() as harness:
        seen = await harness.say("hq", "/一斉 @土木課 本文")
        people, shown = await harness.press("hq", seen, "宛先の名前を見る")
        assert "届け先がない人 1人：職員lost" in people.text
        assert "土木課（2人）：職員d、職員lost" in people.text
        assert "fake で 1人" in people.text
        assert "【お知らせ】\n本文" in shown.text
        assert (await harness.post("hq", "/宛先 1"))[0].text == people.text
        assert "/宛先 番号" in (await harness.say("hq", "/宛先")).text
        assert "範囲" in (await harness.say("tax", "/宛先 1")).text


async def test_groups_are_kept_in_the_chat_and_are_audiences() -> None:
    async with chat() as harness:
        assert "まだありません" in (await harness.say("hq", "/グループ")).text
        assert "3人を加えました" in (await harness.say("hq", "/グループ 追加 消防団 @土木課 b")).text
        assert "1人を外しました" in (await harness.say("admin", "/グループ 除外 消防団 職員lost")).text
        assert "消防団 2人" in (await harness.say("hq", "/グループ")).text
        assert "宛先：2人" in (await harness.say("hq", "/一斉 @消防団 本文")).text
        assert "担当者だけ" in (await harness.say("b", "/グループ 廃止 消防団")).text
        assert "なくしました" in (await harness.say("hq", "/グループ 廃止 消防団")).text
        assert "見つかりません" in (await harness.say("hq", "/一斉 @消防団 本文")).text
        assert "/グループ 追加" in (await harness.say("hq", "/グループ なに")).text


async def test_whoever_rewrote_a_notice_may_not_approve_it() -> None:
    async with chat(ALL_KINDS) as harness:
        await harness.say("tax", "/一斉 @税務課 本文い")
        await harness.post("hq", "/訂正 1 別の本文")
        await harness.press("tax", await harness.say("tax", "/一覧 1"), "承認を依頼する")
        shown = [each for each in harness.sent_to("hq") if "承認する" in [button.label for button in each.buttons]]
        refused = await harness.press("hq", shown[-1], "承認する")
        assert "自分では承認できません" in refused[-1].text
        assert notices(harness) == []
