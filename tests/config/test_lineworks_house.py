"""The whole house at a LINE WORKS: the headquarters sends a notice, 350 people get it and say that they have read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.activity import Activity
from bot.clock import ManualClock
from bot.directory import HEADQUARTERS, Entry, save
from bot.serving import serving
from bot.testing.fakes import FakeLineWorks
from config.house import House, open_house
from config.settings import Settings
from tests.bot.lineworks.support import START, bot_at

STAFF = 350


def everybody() -> list[Entry]:
    staff = [
        Entry(f"{number:04}", f"職員{number}", "総務課", addresses={"lineworks": f"u{number}"})
        for number in range(STAFF)
    ]
    return [*staff, Entry("9000", "本部", "防災課", roles=[HEADQUARTERS], addresses={"lineworks": "hq"})]


async def advance(clock: ManualClock, activity: Activity, duration: timedelta) -> None:
    await activity.idle()
    end = clock.now() + duration
    while (due := clock.next_due()) is not None and due <= end:
        clock.advance_to(due)
        await activity.idle()
    clock.advance_to(end)
    await activity.idle()


async def test_a_notice_reaches_everybody_at_the_platforms_pace_and_is_read_by_button(tmp_path: Path) -> None:
    clock, activity = ManualClock(START), Activity()
    settings = Settings(storage={"folder": tmp_path, "durability": "process"})
    async with (
        FakeLineWorks(clock) as works,
        open_house(settings, clock=clock, activity=activity, adapters=[bot_at(works)]) as house,
        serving(house.bot.web_server(), "127.0.0.1", 0) as port,
    ):
        works.callback_url = f"http://127.0.0.1:{port}/webhooks/lineworks"
        await hire(house)
        await works.say("hq", "/一斉 停電です。読んだらボタンを押してください。")
        await advance(clock, activity, timedelta(seconds=5))
        preview = works.messages[-1]
        assert (preview.to, preview.content["type"]) == ("hq", "button_template")
        await works.press("hq", preview.content["actions"][0])
        await advance(clock, activity, timedelta(minutes=2))

        notices = {each.to: each for each in works.messages if "停電です" in each.text and each.to != "hq"}
        assert len(notices) == STAFF
        assert works.count(429) == 0
        [button] = notices["u0"].content["actions"]
        for number in range(20):
            assert await works.press(f"u{number}", button) == 200
        await advance(clock, activity, timedelta(seconds=30))
        await works.say("hq", "/既読")
        await advance(clock, activity, timedelta(seconds=5))
        assert "既読 20／351人" in works.messages[-1].text
        assert works.lost == []


async def hire(house: House) -> None:
    async with house.database.transaction() as db:
        await save(db, everybody())
