"""Notices that go out by themselves, through the whole pipeline and by the harness's clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import delete, func, select, update

from bot import directory
from bot.audit.tables import audit_log
from bot.clock import TOKYO
from bot.directory import APPROVER, DUTY_OFFICER, HEADQUARTERS, SENDER, Entry
from bot.recurrence import Rule
from bot.storage import Database
from bot.tables import member_roles, members
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts.approval import ApprovalPolicy
from broadcasts.drafting_tables import broadcast_schedules
from broadcasts.quiet import QuietHours
from broadcasts.service import Broadcasts, BroadcastSettings
from broadcasts.tables import broadcasts
from handlers.broadcasts import build_router
from tests.broadcasts.support import city_hall, staff

MONDAY = datetime(2023, 10, 2, 8, tzinfo=TOKYO)


def entry(code: str, department: str, *roles: str) -> Entry:
    return Entry(code, f"職員{code}", department, roles=roles, addresses={"fake": code})


PEOPLE = [
    entry("hq", "総務課", HEADQUARTERS),
    entry("duty", "総務課", DUTY_OFFICER),
    entry("tax", "税務課", SENDER),
    entry("boss", "税務課", APPROVER),
    entry("a", "総務課"),
    entry("b", "税務課"),
]


@dataclass
class Chat:
    harness: Harness
    service: Broadcasts

    async def until(self, *moment: int) -> None:
        await self.harness.advance(datetime(*moment, tzinfo=TOKYO) - self.harness.clock.now())  # type: ignore[arg-type,misc] # year, month, day …

    async def schedule(self, words: str, person: str = "hq") -> SentMessage:
        """Plan and confirm; what the bot says then."""
        return (await self.harness.press(person, await self.harness.say(person, f"/予約 {words}"), "予約する"))[-1]

    def notices(self) -> list[tuple[str, datetime]]:
        """The reference of each notice that came into the room of all staff, with its moment in Japan."""
        room = next(iter(self.harness.platform.rooms))  # made first, for everyone
        return [
            (message.reference or "", message.sent_at.astimezone(TOKYO))
            for message in self.harness.sent
            if message.address.id == room and (message.reference or "").startswith("broadcast:")
        ]

    def told(self, person: str) -> str:
        return "\n".join(message.text for message in self.harness.sent_to(person))


@asynccontextmanager
async def chat(settings: BroadcastSettings | None = None) -> AsyncIterator[Chat]:
    services: list[Broadcasts] = []

    def build(harness: Harness):  # type: ignore[no-untyped-def] # inferred
        platform = {harness.platform.name: harness.platform}
        parts = (harness.database, harness.outbox, platform, harness.clock, harness.activity, Texts("broadcasts"))
        services.append(Broadcasts(*parts, settings))
        return build_router(services[0])

    async with Harness(build, members=PEOPLE, start=MONDAY) as harness:
        await services[0].start()
        try:
            await harness.idle()
            yield Chat(harness, services[0])
        finally:
            await services[0].stop()


async def test_a_notice_for_later_is_previewed_confirmed_and_sent_at_its_moment() -> None:
    async with chat() as city:
        seen = await city.harness.say("hq", "/予約 2023-10-02 09:00 緊急 本日の会議は中止です。")
        assert "2023-10-02（月） 09:00" in seen.text
        assert "【緊急】\n本日の会議は中止です。" in seen.text
        assert "まだ予約していません" in seen.text
        planned = (await city.harness.press("hq", seen, "予約する"))[-1]
        assert "番号 1 を予約しました" in planned.text
        assert "6人" in planned.text
        await city.until(2023, 10, 2, 8, 59)
        assert city.notices() == []
        await city.until(2023, 10, 9)
        assert city.notices() == [("broadcast:1", datetime(2023, 10, 2, 9, tzinfo=TOKYO))]
        assert "予約した番号 1 を送りました" in city.told("hq")
        assert "宛先が変わって" not in city.told("hq")
        assert "予約している連絡はありません" in (await city.harness.say("hq", "/予約")).text


async def test_without_confirmation_nothing_goes_out() -> None:
    async with chat() as city:
        await city.harness.say("hq", "/予約 平日 09:00 本文")
        await city.until(2023, 10, 7)
        assert city.notices() == []
        assert "予約している連絡はありません" in (await city.harness.say("hq", "/予約")).text


async def test_every_occurrence_has_a_number_of_its_own_and_holidays_move() -> None:
    async with chat() as city:
        await city.schedule("毎週月曜 09:00 翌開庁日 訓練 確認 週のはじめの点検です。")
        await city.until(2023, 10, 17)
        assert city.notices() == [
            ("broadcast:2", datetime(2023, 10, 2, 9, tzinfo=TOKYO)),
            ("broadcast:3", datetime(2023, 10, 10, 9, tzinfo=TOKYO)),
            ("broadcast:4", datetime(2023, 10, 16, 9, tzinfo=TOKYO)),
        ]
        assert next(m.buttons[0].label for m in city.harness.sent if m.reference == "broadcast:4") == "確認しました"
        assert "番号 4" in (await city.harness.say("hq", "/既読 4")).text


async def test_pressing_twice_schedules_once() -> None:
    async with chat() as city:
        seen = await city.harness.say("hq", "/予約 毎日 09:00 本文")
        for _ in range(2):
            assert "予約しました" in (await city.harness.press("hq", seen, "予約する"))[-1].text
        await city.until(2023, 10, 2, 10)
        assert len(city.notices()) == 1
        async with city.harness.database.snapshot() as db:
            rows = await db.scalars(select(audit_log.c.action).order_by(audit_log.c.seq))
            assert list(rows) == ["broadcast.drafted", "broadcast.scheduled", "broadcast.sent"]


async def test_the_list_names_what_is_scheduled_and_a_cancelled_one_stays_unsent() -> None:
    async with chat() as city:
        await city.schedule("毎月末日 17:00 月末の締めです。")
        await city.schedule("毎月1日 09:00 @税務課 確認 月初です。")
        await city.schedule("平日 08:30 おはようございます。", "tax")
        listed = (await city.harness.say("hq", "/予約")).text
        assert "番号 1（毎月末日 17:00）次は 2023-10-31（火） 17:00" in listed
        assert "番号 2（毎月1日 09:00）" in listed
        own = (await city.harness.say("tax", "/予約")).text
        assert "番号 3（平日 08:30）次は 2023-10-02（月） 08:30" in own
        assert "番号 1" not in own
        assert "取り消しました" in (await city.harness.say("hq", "/予約 取消 ３")).text
        assert "番号 3 の予約はありません" in (await city.harness.say("hq", "/予約 取消 3")).text
        await city.until(2023, 10, 3)
        assert city.notices() == []


async def test_the_old_preview_can_still_call_a_schedule_off() -> None:
    async with chat() as city:
        seen = await city.harness.say("hq", "/予約 毎日 09:00 本文")
        await city.harness.press("hq", seen, "予約する")
        await city.harness.press("hq", seen, "やめる")
        await city.until(2023, 10, 4)
        assert city.notices() == []


async def test_who_needs_approval_needs_it_for_a_schedule_too_and_nobody_sends_it_alone() -> None:
    policy = ApprovalPolicy(others=frozenset({"notice", "emergency"}))
    async with chat(BroadcastSettings(approval=policy)) as city:
        seen = await city.harness.say("duty", "/予約 毎日 09:00 緊急 本文")
        assert next(button.label for button in seen.buttons) == "承認を依頼する"
        assert "単独で送信する" not in [button.label for button in seen.buttons]
        await city.harness.press("duty", seen, "承認を依頼する")
        await city.until(2023, 10, 2, 8, 30)
        request = next(m for m in city.harness.sent_to("hq") if m.buttons)
        assert "毎日 09:00" in request.text
        assert "予約しました" in (await city.harness.press("hq", request, "承認する"))[-1].text
        await city.until(2023, 10, 2, 10)
        assert len(city.notices()) == 1


async def test_an_approval_that_comes_too_late_sends_nothing() -> None:
    async with chat(BroadcastSettings(approval=ApprovalPolicy(others=frozenset({"notice"})))) as city:
        seen = await city.harness.say("tax", "/予約 2023-10-02 09:00 本文")
        await city.harness.press("tax", seen, "承認を依頼する")
        await city.until(2023, 10, 2, 9, 30)
        request = next(m for m in city.harness.sent_to("hq") if m.buttons)
        assert "日時が過ぎています" in (await city.harness.press("hq", request, "承認する"))[-1].text
        assert city.notices() == []


async def test_the_author_is_told_when_the_audience_is_no_longer_the_one_of_the_preview() -> None:
    async with chat() as city:
        await city.schedule("毎日 09:00 本文")
        async with city.harness.database.transaction() as db:
            await directory.save(db, [entry("new", "税務課")])
        city.service.roster_changed()
        await city.until(2023, 10, 2, 10)
        assert "宛先が変わっています（6人 → 7人）" in city.told("hq")
        await city.until(2023, 10, 3, 10)
        assert city.told("hq").count("宛先が変わっています") == 1


@pytest.mark.parametrize("loss", ["role", "person"])
async def test_an_author_who_may_no_longer_send_ends_the_schedule(loss: str) -> None:
    async with chat() as city:
        await city.schedule("毎日 09:00 本文", "tax")
        async with city.harness.database.transaction() as db:
            tax = select(members.c.id).where(members.c.code == "tax").scalar_subquery()
            if loss == "role":
                await db.execute(delete(member_roles).where(member_roles.c.member_id == tax))
            else:
                await db.execute(update(members).where(members.c.code == "tax").values(active=False))
        await city.until(2023, 10, 4)
        assert city.notices() == []
        assert city.told("hq").count("予約を止めました") == 1


async def test_a_schedule_for_nobody_ends() -> None:
    async with chat() as city:
        await city.schedule("毎日 09:00 @b 本文")
        async with city.harness.database.transaction() as db:
            await db.execute(update(members).where(members.c.code == "b").values(active=False))
        await city.until(2023, 10, 4)
        assert city.told("hq").count("予約を止めました") == 1


@pytest.mark.parametrize(("rule", "later"), [("毎日 09:00", 1), ("2023-10-02 09:00", 0)])
async def test_what_was_missed_by_many_hours_is_not_sent_late(rule: str, later: int) -> None:
    async with chat() as city:
        await city.schedule(f"{rule} 本文")
        await city.service.stop()
        await city.until(2023, 10, 2, 18)
        await city.service.start()
        await city.harness.idle()
        assert "時間がたったので送っていません" in city.told("hq")
        await city.until(2023, 10, 3, 10)
        assert len(city.notices()) == later


async def test_after_a_short_standstill_it_goes_out_once() -> None:
    async with chat() as city:
        await city.schedule("毎日 09:00 本文")
        await city.service.stop()
        await city.until(2023, 10, 2, 11)
        await city.service.start()
        await city.until(2023, 10, 2, 20)
        assert len(city.notices()) == 1


async def test_at_night_the_preview_says_when_it_goes_out() -> None:
    async with chat(BroadcastSettings(quiet=QuietHours(time(22), time(7)))) as city:
        seen = await city.harness.say("hq", "/予約 2023-10-02 23:00 本文")
        assert "予約の日時は夜間のため、最初の1回は 2023-10-03 07:00" in seen.text
        await city.harness.press("hq", seen, "予約する")
        await city.until(2023, 10, 3, 8)
        assert [moment for _, moment in city.notices()] == [datetime(2023, 10, 3, 7, tzinfo=TOKYO)]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("あした 本文", "「あした」の何時かが分かりません"),
        ("平日 08:30", "予約の送り方"),
        ("2023-10-01 09:00 本文", "「2023-10-01 09:00」（2023-10-01（日） 09:00）は過ぎています"),
        ("取消 99", "番号 99 の予約はありません"),
        ("平日 08:30 @どこか 本文", "見つかりません"),
    ],
)
async def test_what_cannot_be_scheduled_is_answered_with_what_to_mend(words: str, answer: str) -> None:
    async with chat() as city:
        assert answer in (await city.harness.say("hq", f"/予約 {words}")).text
        assert "担当者だけ" in (await city.harness.say("a", f"/予約 {words}")).text
        async with city.harness.database.snapshot() as db:
            assert await db.scalar(select(func.count()).select_from(broadcasts)) == 0


async def test_two_processes_send_an_occurrence_once(database: Database) -> None:
    async with city_hall(database, staff(4)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            number = await hall.broadcasts.draft(db, chief, "本文")
            await hall.broadcasts.schedules.plan(db, number, Rule(every="day", at=time(9)))
            seen = await hall.broadcasts.preview(db, number)
            assert (await hall.broadcasts.confirm(db, number, chief, seen.fingerprint)).outcome == "scheduled"
        await hall.broadcasts.stop()
        await hall.advance(timedelta(hours=25))

        async def process() -> None:
            async with database.transaction() as db:
                await hall.broadcasts.schedules.do_due(db)

        await asyncio.gather(*(process() for _ in range(4)))
        async with database.snapshot() as db:
            assert await db.scalar(select(func.count()).where(broadcasts.c.state == "sent")) == 1
            next_at = await db.scalar(select(broadcast_schedules.c.next_at))
        assert next_at == datetime(2023, 10, 4, 9, tzinfo=TOKYO)
