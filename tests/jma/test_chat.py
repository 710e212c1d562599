"""The weather agency's draft in an officer's pair talk: shown, taken, put aside, and never sent by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import select, update

from bot.audit.tables import audit_log
from bot.directory import DUTY_OFFICER, HEADQUARTERS, Entry
from bot.router import Router
from bot.tables import departments, member_roles
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts.approval import ApprovalPolicy
from broadcasts.jma import FolderWatch, Jma
from broadcasts.service import Broadcasts, BroadcastSettings
from broadcasts.tables import broadcasts as notices
from handlers import broadcasts as broadcast_handlers
from handlers import jma as jma_handlers
from tests.jma.play import LATER, SHIZUOKA
from tests.jma.telegrams import report, shindo

HOLD = timedelta(minutes=11)
PEOPLE = [
    Entry("hq", "本部 一郎", "危機管理課", roles=[HEADQUARTERS], addresses={"fake": "hq"}),
    Entry("hq2", "本部 二郎", "危機管理課", roles=[HEADQUARTERS], addresses={"fake": "hq2"}),
    Entry("duty", "当直 三郎", "総務課", roles=[DUTY_OFFICER], addresses={"fake": "duty"}),
    Entry("a", "職員 花子", "総務課", addresses={"fake": "a"}),
]


@dataclass
class Office:
    harness: Harness
    jma: Jma
    desk: jma_handlers.Desk

    async def receive(self, data: bytes) -> None:
        await self.jma.receive(data, "one.xml")
        await self.harness.advance(HOLD)

    def gone_out(self) -> list[SentMessage]:
        return [each for each in self.harness.sent if (each.reference or "").startswith("broadcast:")]

    def shown(self, person: str = "hq") -> list[SentMessage]:
        return [each for each in self.harness.sent_to(person) if (each.reference or "").startswith("jma:")]


@asynccontextmanager
async def office(policy: ApprovalPolicy | None = None) -> AsyncIterator[Office]:
    parts: list[tuple[Broadcasts, Jma, jma_handlers.Desk]] = []

    def build(harness: Harness) -> Router:
        texts = Texts("broadcasts")
        common = (harness.clock, harness.activity)
        settings = BroadcastSettings(approval=policy or ApprovalPolicy())
        broadcasts = Broadcasts(harness.database, harness.outbox, {"fake": harness.platform}, *common, texts, settings)
        desk = jma_handlers.Desk(harness.database, harness.outbox, ("fake",), harness.clock, texts)
        jma = Jma(
            harness.database,
            *common,
            SHIZUOKA,
            on_ready=desk.tell,
            on_stopped=partial(broadcasts.give_up, because="jma"),
        )
        broadcasts.on_check(jma.check)
        broadcasts.on_release(jma.sent)
        parts.append((broadcasts, jma, desk))
        router = Router()
        router.include(broadcast_handlers.build_router(broadcasts))
        router.include(jma_handlers.build_router(broadcasts, jma))
        return router

    async with Harness(build, members=PEOPLE) as harness:
        [(broadcasts, jma, desk)] = parts
        await broadcasts.start()
        await jma.start()
        try:
            yield Office(harness, jma, desk)
        finally:
            await jma.stop()
            await broadcasts.stop()


async def actions(harness: Harness) -> list[str]:
    async with harness.database.snapshot() as db:
        return list(await db.scalars(select(audit_log.c.action).order_by(audit_log.c.seq)))


async def test_the_officers_see_a_draft_and_nobody_else_gets_anything() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        for officer in ("hq", "hq2"):
            [message] = here.shown(officer)
            assert "まだ、だれにも送っていません" in message.text
            assert "震度６弱" in message.text
            assert [button.label for button in message.buttons] == ["この下書きを使う", "破棄する"]
        assert here.harness.sent_to("a") == []


async def test_taking_it_makes_an_ordinary_draft_once() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [mine], [theirs] = here.shown("hq"), here.shown("hq2")
        [preview] = await here.harness.press("hq", mine, "この下書きを使う")
        assert "まだ送っていません" in preview.text
        assert "震度６弱" in preview.text
        async with here.harness.database.snapshot() as db:
            rows = (await db.execute(select(notices.c.kind, notices.c.state))).all()
        assert [tuple(row) for row in rows] == [("emergency", "draft")]
        sending = await here.harness.press("hq", preview, "送信する")
        assert "送信を始めました" in sending[0].text
        [late] = await here.harness.press("hq2", theirs, "この下書きを使う")
        assert "もう使われています" in late.text
        assert await actions(here.harness) == ["broadcast.drafted", "jma.taken", "broadcast.sent"]


async def test_another_officer_goes_on_with_what_the_first_has_taken_and_not_sent() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        await here.harness.press("hq", here.shown("hq")[0], "この下書きを使う")
        [said, preview] = await here.harness.press("hq2", here.shown("hq2")[0], "この下書きを使う")
        assert "本部 一郎さんが番号 1 にしました" in said.text
        [sent, *_] = await here.harness.press("hq2", preview, "送信する")
        assert "送信を始めました" in sent.text
        assert "震度６弱" in here.gone_out()[0].text


async def test_the_duty_officer_alone_takes_a_draft_and_sends_it() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [message] = here.shown("duty")
        [preview] = await here.harness.press("duty", message, "この下書きを使う")
        await here.harness.press("duty", preview, "単独で送信する")
        assert "震度６弱" in here.gone_out()[0].text


async def test_an_officer_of_one_section_is_shown_no_draft_for_all_staff() -> None:
    async with office() as here:
        async with here.harness.database.transaction() as db:
            section = select(departments.c.id).where(departments.c.name == "総務課").scalar_subquery()
            await db.execute(
                update(member_roles).where(member_roles.c.role == DUTY_OFFICER).values(department_id=section)
            )
        await here.receive(shindo("6-"))
        assert here.shown("duty") == []


async def test_what_the_agency_has_taken_back_cannot_be_sent_any_more() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [preview] = await here.harness.press("hq", here.shown("hq")[0], "この下書きを使う")
        await here.receive(shindo(info_type="取消", body=None, **LATER))
        assert "番号 1 は、送らずに取りやめました" in here.shown("hq2")[-1].text
        [refusal] = await here.harness.press("hq", preview, "送信する")
        assert "番号 1 は送れません" in refusal.text
        assert here.gone_out() == []


async def test_an_approval_does_not_send_what_the_agency_has_taken_back() -> None:
    async with office(ApprovalPolicy(headquarters=frozenset({"emergency"}))) as here:
        await here.receive(shindo("6-"))
        [preview] = await here.harness.press("hq", here.shown("hq")[0], "この下書きを使う")
        await here.harness.press("hq", preview, "承認を依頼する")
        request = here.harness.sent_to("hq2")[-1]
        await here.receive(shindo(info_type="取消", body=None, **LATER))
        [refusal] = await here.harness.press("hq2", request, "承認する")
        assert "番号 1 は送れません" in refusal.text
        assert "待っている連絡はありません" in (await here.harness.say("hq2", "/承認")).text
        assert "取りやめました" in (await here.harness.say("hq", "/既読 1")).text
        assert (await actions(here.harness))[-1] == "broadcast.cancelled"
        assert here.gone_out() == []


async def test_the_next_draft_says_what_became_of_the_last_one() -> None:
    async with office() as here:
        await here.receive(shindo("5-"))
        [preview] = await here.harness.press("hq", here.shown("hq")[0], "この下書きを使う")
        await here.receive(shindo("6-", **LATER))
        assert "番号 1 は、まだ送っていません。新しいほうを使うと" in here.shown()[-1].text
        await here.harness.press("hq", preview, "送信する")
        await here.receive(shindo("6+", reported="2026-11-23T14:30:00+09:00"))
        assert "前に使った下書き1の続きです。\n" in here.shown()[-1].text


async def test_a_drill_is_told_taken_and_marked_as_one() -> None:
    async with office() as here:
        await here.receive(shindo("6-", status="訓練"))
        [message] = here.shown()
        assert message.text.startswith("【訓練】")
        [preview] = await here.harness.press("hq", message, "この下書きを使う")
        assert preview.text.count("これは訓練です") == 1
        async with here.harness.database.snapshot() as db:
            [notice] = await db.execute(select(notices.c.kind, notices.c.text))
        assert notice.kind == "drill"
        assert notice.text.startswith("【地震】")


async def test_an_officer_puts_it_aside_and_nobody_can_take_it_any_more() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [message] = here.shown()
        [answer] = await here.harness.press("hq", message, "破棄する")
        assert "破棄しました" in answer.text
        [late] = await here.harness.press("hq2", here.shown("hq2")[0], "この下書きを使う")
        assert "破棄されています" in late.text
        assert await actions(here.harness) == ["jma.dismissed"]
        async with here.harness.database.snapshot() as db:
            assert (await db.scalars(select(notices.c.id))).all() == []


async def test_who_is_no_officer_cannot_take_it_and_a_broken_button_says_so() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [message] = here.shown()
        message.address = replace(message.address, id="a")
        [answer] = await here.harness.press("a", message, "この下書きを使う")
        assert "災害対策本部" in answer.text
        assert "broadcast.refused" in " ".join(await actions(here.harness)) or "jma_take" in " ".join(
            await actions(here.harness)
        )


async def test_a_revision_is_shown_once_even_if_it_is_told_twice() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [draft] = await here.jma.drafts()
        await here.desk.tell(draft)
        await here.harness.idle()
        assert len(here.shown()) == 1


async def test_a_watched_folder_brings_it_about(tmp_path: Path) -> None:
    async with office() as here:
        watch = FolderWatch(tmp_path, here.jma.receive, here.harness.clock, here.harness.activity)
        (tmp_path / "one.xml").write_bytes(shindo("6-"))
        await watch.scan()
        await watch.scan()
        await here.harness.advance(HOLD)
        assert len(here.shown()) == 1


async def test_a_broken_telegram_is_told_to_the_officers_once_an_hour(tmp_path: Path) -> None:
    async with office() as here:
        harness = here.harness
        watch = FolderWatch(tmp_path, here.jma.receive, harness.clock, harness.activity, report=here.desk.report)

        async def drop(name: str, data: bytes) -> None:
            (tmp_path / name).write_bytes(data)
            await watch.scan()
            await watch.scan()
            await harness.idle()

        def told(person: str) -> list[str]:
            return [each.text for each in harness.sent_to(person) if "読めませんでした" in each.text]

        await drop("test.xml", shindo("7", status="試験"))
        await drop("other.xml", report("竜巻注意情報"))  # one of the many kinds that make no drafts
        assert told("hq") == []
        await drop("cut.xml", shindo("7")[:500])
        await drop("cut-too.xml", shindo("7")[:600])
        for officer in ("hq", "duty"):
            [said] = told(officer)
            assert "cut.xml" in said
        assert told("a") == []
        await harness.advance(timedelta(hours=1))
        await drop("cut-again.xml", shindo("7")[:700])
        assert len(told("hq")) == 2


async def test_an_officer_finds_the_drafts_that_wait_and_those_that_are_held() -> None:
    async with office() as here:
        harness = here.harness
        assert "下書きはありません" in (await harness.say("hq", "/気象")).text
        await here.jma.receive(shindo("6-"), "one.xml")
        held = await harness.say("duty", "／きしょう")
        assert "震度６弱" in held.text
        assert held.buttons == ()
        await harness.advance(HOLD)
        [preview] = await harness.press("duty", await harness.say("duty", "/気象"), "この下書きを使う")
        assert "まだ送っていません" in preview.text
        assert "下書きはありません" in (await harness.say("hq", "/気象")).text
        assert "災害対策本部の担当者と当直責任者だけ" in (await harness.say("a", "/気象")).text
