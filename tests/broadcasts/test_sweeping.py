"""The shelf is swept every day, and what a notice may still send is never taken: through the real chat service."""

from __future__ import annotations

import os
from datetime import date, time, timedelta
from pathlib import Path

from bot import directory
from bot.activity import Activity
from bot.adapters.logochat import LogoChat
from bot.attachments import Shelf
from bot.clock import ManualClock
from bot.messages import Attachment
from bot.outbox import Outbox
from bot.recurrence import Rule
from bot.texts import Texts
from broadcasts.service import Broadcasts
from broadcasts.sweeping import Sweeping
from tests.broadcasts.test_attachments import entry, messages
from tests.databases import empty_database
from tests.trial_service.conftest import City, callback_time_limit, city, clock, limits, service

__all__ = ["callback_time_limit", "city", "clock", "limits", "service"]  # fixtures of the real chat service

EVERY_MONTH = Rule(every="month", day=1, at=time(9))
MONTHS = timedelta(days=93)


async def advance(activity: Activity, clock: ManualClock, duration: timedelta) -> None:
    """Let everything happen at its moment."""
    end = clock.now() + duration
    await activity.idle()
    while (due := clock.next_due()) is not None and due <= end:
        clock.advance_to(due)
        await activity.idle()
    clock.advance_to(end)
    await activity.idle()


class Cupboard:
    """A shelf whose files are as old as the house's own clock says."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.shelf = Shelf(folder / "shelf")
        self._folder = folder
        self._clock = clock

    async def keep(self, name: str) -> Attachment:
        (self._folder / name).write_text(f"{name} " * 5_000, encoding="utf-8")
        attachment = await self.shelf.keep(self._folder / name)
        os.utime(self.shelf.path(attachment), (0, self._clock.now().timestamp()))
        return attachment

    def has(self, attachment: Attachment) -> bool:
        return self.shelf.path(attachment).exists()


async def test_a_recurring_notice_brings_its_file_for_months_while_what_nobody_wants_goes(
    city: City, tmp_path: Path
) -> None:
    chief_client, reader = await city.join("hq", "a")
    bot = await city.bot()
    adapter = LogoChat(city.service.url, bot.token, city.receiver.secret, clock=city.clock)
    cupboard, activity = Cupboard(tmp_path, city.clock), Activity()
    adapter.carry(cupboard.shelf)
    await adapter.open()
    async with empty_database("sqlite", tmp_path) as database:
        outbox = Outbox(database, {"logochat": adapter}, city.clock, activity, poll=timedelta(hours=6))
        parts = (database, outbox, {"logochat": adapter}, city.clock, activity)
        broadcasts = Broadcasts(*parts, Texts("broadcasts"))
        sweeping = Sweeping(database, cupboard.shelf, city.clock, activity)
        async with database.transaction() as db:
            await directory.save(db, [entry("hq", chief_client), entry("a", reader)])
            chief = await directory.member_by_code(db, "hq")
        assert chief is not None
        monthly, once, dropped, waiting, unused = [
            await cupboard.keep(name) for name in ("当番表.csv", "年度末.csv", "やめた.csv", "預け.csv", "未使用.csv")
        ]
        async with database.transaction() as db:
            for attachment, rule in (
                (monthly, EVERY_MONTH),
                (once, Rule(every="once", on=date(2030, 3, 29), at=time(9))),
            ):
                number = await broadcasts.draft(db, chief, "資料です。", attachments=(attachment,))
                await broadcasts.schedules.plan(db, number, rule)
                seen = await broadcasts.preview(db, number)
                assert (await broadcasts.confirm(db, number, chief, seen.fingerprint)).outcome == "scheduled"
            number = await broadcasts.draft(db, chief, "やめます。", attachments=(dropped,))
            assert await broadcasts.cancel(db, number, chief)
            await broadcasts.tray.put(db, chief.id, (waiting,))
        for part in (outbox, broadcasts, sweeping):
            await part.start()
        await advance(activity, city.clock, timedelta(hours=11))
        assert all(cupboard.has(each) for each in (monthly, once, dropped, waiting, unused))
        await advance(activity, city.clock, timedelta(days=3))
        assert [cupboard.has(each) for each in (monthly, once, dropped, waiting, unused)] == [True, True, *[False] * 3]
        await advance(activity, city.clock, MONTHS)
        for part in (sweeping, broadcasts, outbox):
            await part.stop()
        assert len(await broadcasts.summaries()) == 3  # August, September, October
        shown = [message for message in await messages(reader, bot) if "資料です。" in message["text"]]
        assert len(shown) >= 3  # with the reminders
        for message in shown:
            (file,) = message["files"]
            assert file["name"] == "当番表.csv"
            content = (await reader.get(f"/v1/files/{file['file_id']}")).body
            assert content == cupboard.shelf.path(monthly).read_bytes()
        assert cupboard.has(once)
    await adapter.close()
