"""Who may send to whom, and the second person: requests, refusals, the duty officer, and the audit of it all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from bot.audit.tables import audit_log
from bot.directory import ADMINISTRATOR, APPROVER, DUTY_OFFICER, HEADQUARTERS, SENDER, Entry
from bot.tables import departments, member_roles, members
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts.approval import ApprovalPolicy
from broadcasts.service import Broadcasts, BroadcastSettings
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
async def chat(policy: ApprovalPolicy | None = None) -> AsyncIterator[Harness]:
    services: list[Broadcasts] = []

    def build(harness: Harness):  # type: ignore[no-untyped-def] # inferred
        settings = BroadcastSettings(approval=policy or ApprovalPolicy())
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
        assert "マイナンバー" in (await harness.say("hq", "/一斉 番号は 1234 5678 9018 です")).text
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
