"""The weather agency's draft in an officer's pair talk: shown, taken, put aside, and never sent by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from bot.audit.tables import audit_log
from bot.directory import HEADQUARTERS, Entry
from bot.router import Router
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts.jma import FolderWatch, Jma
from broadcasts.service import Broadcasts
from broadcasts.tables import broadcasts as notices
from handlers import broadcasts as broadcast_handlers
from handlers import jma as jma_handlers
from tests.jma.play import SHIZUOKA
from tests.jma.telegrams import shindo

HOLD = timedelta(minutes=11)
PEOPLE = [
    Entry("hq", "本部 一郎", "危機管理課", roles=[HEADQUARTERS], addresses={"fake": "hq"}),
    Entry("hq2", "本部 二郎", "危機管理課", roles=[HEADQUARTERS], addresses={"fake": "hq2"}),
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

    def shown(self, person: str = "hq") -> list[SentMessage]:
        return [each for each in self.harness.sent_to(person) if (each.reference or "").startswith("jma:")]


@asynccontextmanager
async def office() -> AsyncIterator[Office]:
    parts: list[tuple[Broadcasts, Jma, jma_handlers.Desk]] = []

    def build(harness: Harness) -> Router:
        texts = Texts("broadcasts")
        common = (harness.clock, harness.activity)
        broadcasts = Broadcasts(harness.database, harness.outbox, {"fake": harness.platform}, *common, texts)
        desk = jma_handlers.Desk(harness.database, harness.outbox, ("fake",), harness.clock, texts)
        jma = Jma(harness.database, *common, SHIZUOKA, on_ready=desk.tell)
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
            assert [button.label for button in message.buttons] == ["下書きにする", "破棄する"]
        assert here.harness.sent_to("a") == []


async def test_taking_it_makes_an_ordinary_draft_once() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [mine], [theirs] = here.shown("hq"), here.shown("hq2")
        [preview] = await here.harness.press("hq", mine, "下書きにする")
        assert "まだ送っていません" in preview.text
        assert "震度６弱" in preview.text
        async with here.harness.database.snapshot() as db:
            rows = (await db.execute(select(notices.c.kind, notices.c.state))).all()
        assert [tuple(row) for row in rows] == [("emergency", "draft")]
        [late] = await here.harness.press("hq2", theirs, "下書きにする")
        assert "もう使われています" in late.text
        assert await actions(here.harness) == ["broadcast.drafted", "jma.taken"]


async def test_a_drill_is_told_taken_and_marked_as_one() -> None:
    async with office() as here:
        await here.receive(shindo("6-", status="訓練"))
        [message] = here.shown()
        assert message.text.startswith("【訓練】")
        await here.harness.press("hq", message, "下書きにする")
        async with here.harness.database.snapshot() as db:
            assert list(await db.scalars(select(notices.c.kind))) == ["drill"]


async def test_an_officer_puts_it_aside_and_nobody_can_take_it_any_more() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [message] = here.shown()
        [answer] = await here.harness.press("hq", message, "破棄する")
        assert "破棄しました" in answer.text
        [late] = await here.harness.press("hq2", here.shown("hq2")[0], "下書きにする")
        assert "破棄されています" in late.text
        assert await actions(here.harness) == ["jma.dismissed"]
        async with here.harness.database.snapshot() as db:
            assert (await db.scalars(select(notices.c.id))).all() == []


async def test_who_is_no_officer_cannot_take_it_and_a_broken_button_says_so() -> None:
    async with office() as here:
        await here.receive(shindo("6-"))
        [message] = here.shown()
        message.address = replace(message.address, id="a")
        [answer] = await here.harness.press("a", message, "下書きにする")
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
