"""Telegrams are kept, drafts are held, shown and handed on; on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update

from bot.activity import Activity
from bot.clock import ManualClock
from bot.directory import Entry, save
from bot.errors import Refused
from bot.storage import Database
from bot.tables import members
from broadcasts.jma import Draft, Jma, JmaSettings
from broadcasts.jma.service import RETRY
from broadcasts.jma.tables import drafts, events, telegrams
from broadcasts.jma.tree import SIZE_LIMIT
from broadcasts.tables import broadcasts
from tests.jma.play import CITY, LATER, LIFTED, NEXT_YEAR, RAIN3, RAIN4, SHIZUOKA, TSUNAMI_OVER, WARNING
from tests.jma.telegrams import shindo, shingen_shindo, tsunami, warning

HOLD = timedelta(minutes=10)


class Desk:
    """The service with a clock that stands still and an officer who writes down what is shown."""

    def __init__(self, database: Database, settings: JmaSettings = SHIZUOKA) -> None:
        self.database = database
        self.clock = ManualClock(datetime(2026, 11, 23, 5, 4, tzinfo=UTC))
        self.activity = Activity()
        self.shown: list[Draft] = []
        self.failing = False
        self.jma = Jma(database, self.clock, self.activity, settings, on_ready=self.show)

    async def show(self, draft: Draft) -> None:
        if self.failing:
            raise RuntimeError("the chat is down")
        self.shown.append(draft)

    async def advance(self, duration: timedelta) -> None:
        self.clock.advance(duration)
        await self.activity.idle()

    async def take(self, draft_id: int) -> tuple[Draft, int]:
        """An officer makes a notice of a draft; its number."""
        async with self.database.transaction() as db:
            draft = await self.jma.release(db, draft_id)
            await save(db, [Entry("hq", "本部 一郎", "危機管理課")])
            author = await db.scalar(select(members.c.id))
            values = {"token": f"t{draft_id}", "kind": "emergency", "text": draft.text, "audience": "{}"}
            stored = await db.execute(
                insert(broadcasts).values(**values, author_id=author, created_at=self.clock.now())
            )
            assert stored.inserted_primary_key is not None
            number = int(stored.inserted_primary_key[0])
            await self.jma.made(db, draft, number)
            return draft, number

    async def release(self, draft_id: int) -> Draft:
        """An officer makes a notice of a draft and sends it."""
        draft, number = await self.take(draft_id)
        async with self.database.transaction() as db:
            await self.jma.check(db, number)
            await db.execute(update(broadcasts).where(broadcasts.c.id == number).values(state="sent"))
            await self.jma.sent(db, number)
        return draft

    async def throw_away(self, number: int) -> None:
        async with self.database.transaction() as db:
            await db.execute(update(broadcasts).where(broadcasts.c.id == number).values(state="cancelled"))

    async def stopped(self, number: int) -> bool:
        """Whether the notice of this number must not be sent any more."""
        try:
            async with self.database.transaction() as db:
                await self.jma.check(db, number)
        except Refused as refused:
            return refused.key == "refused.agency_changed"
        return False

    async def only_draft(self) -> Draft:
        [draft] = await self.jma.drafts()
        return draft


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    opened = Desk(database)
    await opened.jma.start()
    await opened.activity.idle()
    yield opened
    await opened.jma.stop()


async def test_a_draft_is_held_for_ten_minutes_and_then_shown(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"), "one.xml")
    await desk.advance(HOLD - timedelta(seconds=1))
    assert (await desk.only_draft()).state == "held"
    assert desk.shown == []
    await desk.advance(timedelta(seconds=1))
    [draft] = desk.shown
    assert draft.state == "ready"
    assert draft.held_until - draft.received_at == HOLD
    assert draft.event_id == "20261123140000"
    assert draft.drill is False
    assert {"code": "442", "name": "静岡県中部", "level": "震度６弱"} in draft.areas
    assert "【地震】震度６弱" in draft.text


async def test_nothing_is_shown_twice(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    await desk.advance(HOLD)
    await desk.advance(timedelta(days=1))
    await desk.jma.receive(shindo("7", ("熊本県熊本", "741"), event_id="elsewhere"))
    await desk.activity.idle()
    assert len(desk.shown) == 1


async def test_every_telegram_is_kept_as_it_came_with_its_decision(desk: Desk) -> None:
    data = shindo("6-")
    await desk.jma.receive(data, "one.xml")
    await desk.jma.receive(b"nonsense", "two\udcff.xml")
    await desk.jma.receive(b" " * (SIZE_LIMIT + 1), "three.xml")
    async with desk.database.snapshot() as db:
        rows = list(await db.execute(select(telegrams).order_by(telegrams.c.id)))
    assert [(row.raw and zlib.decompress(row.raw), row.source, row.kind, row.action) for row in rows] == [
        (data, "one.xml", "VXSE51", "draft"),
        (b"nonsense", "two?.xml", None, "unreadable"),
        (None, "three.xml", None, "unreadable"),
    ]
    assert json.loads(rows[0].decision)["action"] == "draft"
    assert [entry["source"] for entry in await desk.jma.unreadable()] == ["three.xml", "two?.xml"]
    assert "XML" in (await desk.jma.unreadable())[1]["reason"]


async def test_the_same_telegram_twice_changes_nothing(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    correction = shindo("6+", info_type="訂正")
    await desk.jma.receive(correction)
    before = await desk.only_draft()
    again = [await desk.jma.receive(data) for data in (shindo("6-"), correction)]
    broken = [await desk.jma.receive(b"nonsense") for _ in range(2)]
    assert [decision.action for decision in broken] == ["unreadable", "unreadable"]
    assert [decision.reason.key for decision in again] == ["repeated", "repeated"]
    assert await desk.only_draft() == before


async def test_an_amendment_while_held_changes_the_text_and_not_the_time(desk: Desk) -> None:
    await desk.jma.receive(shindo("5-"))
    held = await desk.only_draft()
    await desk.advance(timedelta(minutes=4))
    await desk.jma.receive(shindo("6+", **LATER))
    amended = await desk.only_draft()
    assert amended.id == held.id
    assert amended.held_until == held.held_until
    assert amended.revision == 2
    assert "強くなりました 静岡県中部：震度５弱 → 震度６強" in amended.text
    await desk.advance(timedelta(minutes=6))
    assert [draft.revision for draft in desk.shown] == [2]


async def test_an_amendment_of_a_ready_draft_is_shown_at_once(desk: Desk) -> None:
    await desk.jma.receive(shindo("5-"))
    await desk.advance(HOLD)
    await desk.jma.receive(shingen_shindo("6+", **LATER))
    await desk.activity.idle()
    assert [(draft.revision, draft.serial) for draft in desk.shown] == [(1, None), (2, 1)]


async def test_a_cancellation_withdraws_what_is_held_and_nobody_sees_it(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    await desk.jma.receive(shindo(info_type="取消", body=None, **LATER))
    await desk.advance(HOLD)
    assert desk.shown == []
    assert len(await desk.jma.drafts({"withdrawn"})) == 1


async def test_a_cancellation_of_a_shown_draft_is_shown(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    await desk.advance(HOLD)
    await desk.jma.receive(shindo(info_type="取消", body=None, **LATER))
    await desk.activity.idle()
    assert [draft.state for draft in desk.shown] == ["ready", "withdrawn"]


async def test_a_released_draft_is_taken_once(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    draft = await desk.only_draft()
    with pytest.raises(Refused) as held:
        await desk.release(draft.id)
    assert held.value.key == "refused.held"
    await desk.advance(HOLD)
    assert (await desk.release(draft.id)).state == "released"
    for draft_id, key in ((draft.id, "refused.released"), (999, "refused.missing")):
        with pytest.raises(Refused) as refused:
            await desk.release(draft_id)
        assert refused.value.key == key


async def test_a_withdrawn_draft_cannot_be_released(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    draft = await desk.only_draft()
    await desk.jma.receive(shindo(info_type="取消", body=None, **LATER))
    with pytest.raises(Refused) as refused:
        await desk.release(draft.id)
    assert refused.value.key == "refused.withdrawn"


async def test_what_grows_after_the_release_is_a_draft_of_its_own_and_held_anew(desk: Desk) -> None:
    await desk.jma.receive(shindo("5-"))
    await desk.advance(HOLD)
    first = await desk.release((await desk.only_draft()).id)
    await desk.jma.receive(shindo("6+", **LATER))
    second = await desk.only_draft()
    assert second.follows == first.id
    assert second.state == "held"
    assert second.held_until == desk.clock.now() + HOLD
    assert "震度５弱 → 震度６強" in second.text
    await desk.advance(HOLD)
    assert [draft.id for draft in desk.shown] == [first.id, second.id]


async def test_a_cancellation_after_the_release_is_ready_at_once(desk: Desk) -> None:
    await desk.jma.receive(shindo("5-"))
    await desk.advance(HOLD)
    first = await desk.release((await desk.only_draft()).id)
    await desk.jma.receive(shindo("6+", **LATER))
    await desk.jma.receive(shindo(info_type="取消", body=None, reported="2026-11-23T14:30:00+09:00"))
    await desk.activity.idle()
    taken_back = desk.shown[-1]
    assert taken_back.follows == first.id
    assert taken_back.state == "ready"
    assert "前のお知らせは取り消されました" in taken_back.text


async def test_an_all_clear_after_the_release_is_held_and_gives_way_to_the_next_warning(desk: Desk) -> None:
    await desk.jma.receive(tsunami(WARNING))
    await desk.advance(HOLD)
    await desk.release((await desk.only_draft()).id)
    await desk.jma.receive(tsunami(TSUNAMI_OVER, **LATER))
    clear = await desk.only_draft()
    assert clear.state == "held"
    assert "終わりました" in clear.text
    await desk.jma.receive(tsunami(WARNING, reported="2026-11-23T14:30:00+09:00"))
    again = await desk.only_draft()
    assert again.id != clear.id
    assert again.follows is None
    assert "【津波】津波警報" in again.text


async def test_an_all_clear_that_is_released_leaves_the_event_ended(desk: Desk) -> None:
    await desk.jma.receive(tsunami(WARNING))
    await desk.advance(HOLD)
    await desk.release((await desk.only_draft()).id)
    await desk.jma.receive(tsunami(TSUNAMI_OVER, **LATER))
    await desk.advance(HOLD)
    await desk.release((await desk.only_draft()).id)
    again = await desk.jma.receive(tsunami(WARNING, **NEXT_YEAR))
    assert again.action == "draft"


async def test_a_drill_stays_apart_from_the_real_event(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    await desk.jma.receive(shindo("6+", status="訓練", **LATER))
    await desk.jma.receive(shindo(status="訓練", info_type="取消", body=None, reported="2026-11-23T14:30:00+09:00"))
    draft = await desk.only_draft()
    assert draft.drill is False
    [drilled] = await desk.jma.drafts({"withdrawn"})
    assert drilled.drill is True
    assert drilled.text.startswith("【訓練】")


async def test_a_test_leaves_nothing_but_its_record(desk: Desk) -> None:
    decision = await desk.jma.receive(shindo("7", status="試験"))
    assert decision.action == "drop"
    async with desk.database.snapshot() as db:
        assert list(await db.execute(select(events))) == []
        assert list(await db.execute(select(drafts))) == []
        assert len(list(await db.execute(select(telegrams)))) == 1


async def test_a_draft_is_shown_again_if_showing_it_failed(desk: Desk) -> None:
    desk.failing = True
    await desk.jma.receive(shindo("6-"))
    await desk.jma.receive(tsunami(WARNING))
    await desk.advance(HOLD)
    assert desk.shown == []
    desk.failing = False
    await desk.advance(RETRY)
    assert len(desk.shown) == 2


async def test_a_process_that_comes_back_takes_up_what_is_held(database: Database) -> None:
    before = Desk(database)
    await before.jma.receive(shindo("6-"))
    after = Desk(database)
    after.clock.advance(timedelta(hours=1))
    await after.jma.start()
    await after.activity.idle()
    await after.jma.stop()
    await after.jma.stop()
    assert [draft.state for draft in after.shown] == ["ready"]


async def test_holds_are_watched_again_after_the_database_failed(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    async with desk.database.transaction() as db:
        await db.execute(text("ALTER TABLE jma_drafts RENAME TO away"))
    await desk.advance(HOLD)
    async with desk.database.transaction() as db:
        await db.execute(text("ALTER TABLE away RENAME TO jma_drafts"))
    assert desk.shown == []
    await desk.advance(RETRY)
    assert len(desk.shown) == 1


async def test_what_was_seen_survives_between_telegrams(database: Database) -> None:
    reports = (
        warning(RAIN3),
        warning(RAIN3.replace("発表", "継続"), **LATER),
        warning(RAIN4, reported="2026-11-23T15:00:00+09:00"),
        warning(LIFTED, reported="2026-11-23T16:00:00+09:00"),
    )
    # Each telegram meets a new process: everything it must know stands in the database.
    actions = [(await Desk(database, CITY).jma.receive(data)).action for data in reports]
    assert actions == ["draft", "ignore", "amend", "withdraw"]


async def test_telegrams_that_come_together_make_one_draft(desk: Desk) -> None:
    many = [shingen_shindo("6-", serial=number, headline=f"第{number}報") for number in range(1, 9)]
    await asyncio.gather(*(desk.jma.receive(data) for data in (many[0], *many)))
    draft = await desk.only_draft()
    async with desk.database.snapshot() as db:
        assert len(list(await db.execute(select(telegrams)))) == 8
    assert draft.serial == 8


async def test_a_stored_text_is_what_the_officer_takes(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    await desk.advance(HOLD)
    async with desk.database.transaction() as db:
        await db.execute(update(drafts).values(text="直した文"))
    assert (await desk.release((await desk.only_draft()).id)).text == "直した文"


async def test_a_correction_of_what_people_were_told_is_ready_at_once(desk: Desk) -> None:
    await desk.jma.receive(shindo("6+"))
    await desk.advance(HOLD)
    first = await desk.release((await desk.only_draft()).id)
    await desk.jma.receive(shindo("5-", info_type="訂正"))
    await desk.activity.idle()
    corrected = desk.shown[-1]
    assert (corrected.follows, corrected.state) == (first.id, "ready")
    assert "震度６強 → 震度５弱" in corrected.text


async def test_a_cancellation_stops_the_notice_that_an_officer_has_made_and_not_sent(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    await desk.advance(HOLD)
    taken, number = await desk.take((await desk.only_draft()).id)
    assert not await desk.stopped(number)
    await desk.jma.receive(shindo(info_type="取消", body=None, **LATER))
    await desk.activity.idle()
    assert await desk.stopped(number)
    # Nobody was told of the earthquake, so nobody need be told that there was none: the officers are, and that is all.
    assert (desk.shown[-1].id, desk.shown[-1].state) == (taken.id, "withdrawn")
    assert await desk.jma.drafts() == []


async def test_a_correction_stops_it_too_and_is_ready_at_once(desk: Desk) -> None:
    await desk.jma.receive(shindo("6+"))
    await desk.advance(HOLD)
    taken, number = await desk.take((await desk.only_draft()).id)
    await desk.jma.receive(shindo("5-", info_type="訂正"))
    await desk.activity.idle()
    assert await desk.stopped(number)
    corrected = await desk.only_draft()
    assert (corrected.state, corrected.follows) == ("ready", taken.id)


async def test_news_that_go_on_leave_the_notice_to_the_officer_until_they_are_used(desk: Desk) -> None:
    await desk.jma.receive(shindo("5-"))
    await desk.advance(HOLD)
    taken, number = await desk.take((await desk.only_draft()).id)
    await desk.jma.receive(shindo("6+", **LATER))
    await desk.activity.idle()
    assert not await desk.stopped(number)
    worse = await desk.only_draft()
    assert (worse.state, worse.follows) == ("ready", taken.id)  # its event has been held for long enough
    await desk.take(worse.id)
    assert await desk.stopped(number)


async def test_what_is_told_is_what_was_sent_and_not_what_came_in_between(desk: Desk) -> None:
    await desk.jma.receive(shindo("5-"))
    await desk.advance(HOLD)
    _, number = await desk.take((await desk.only_draft()).id)
    await desk.jma.receive(shindo("6+", **LATER))
    async with desk.database.transaction() as db:
        await desk.jma.sent(db, number)
    await desk.jma.receive(shindo("7", reported="2026-11-23T14:30:00+09:00"))
    assert "震度５弱 → 震度７" in (await desk.only_draft()).text


async def test_a_notice_that_was_thrown_away_has_told_nobody(desk: Desk) -> None:
    await desk.jma.receive(shindo("6-"))
    await desk.advance(HOLD)
    _, number = await desk.take((await desk.only_draft()).id)
    await desk.throw_away(number)
    await desk.jma.receive(shindo("6+", **LATER))
    again = await desk.only_draft()
    assert (again.state, again.follows) == ("held", None)  # a new draft, as after one that was put aside
    assert "続報" not in again.text
    assert await desk.stopped(number)  # should somebody bring it back


async def test_the_next_event_is_held_although_a_notice_of_the_last_was_forgotten(desk: Desk) -> None:
    await desk.jma.receive(shingen_shindo("6-", serial=2))
    await desk.advance(HOLD)
    _, number = await desk.take((await desk.only_draft()).id)
    await desk.jma.receive(shingen_shindo("6-", serial=1, **NEXT_YEAR))
    again = await desk.only_draft()
    assert (again.state, again.follows) == ("held", None)
    await desk.advance(HOLD)
    await desk.take(again.id)
    assert await desk.stopped(number)
