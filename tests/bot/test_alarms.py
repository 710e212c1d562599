"""Administrators hear of what is wrong in the machinery, once, by a way that works."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot import Router
from bot.adapter import Capabilities, Retry
from bot.alarms import AGAIN, CALM, Alarms
from bot.directory import ADMINISTRATOR, HEADQUARTERS, Entry
from bot.outbox import Outbox
from bot.tables import deliveries
from bot.testing import FakePlatform, Harness
from bot.texts import Texts
from tests.faults import read_only

STAFF = [
    Entry("1", "管理 一", "情報課", roles=[ADMINISTRATOR], email="one@city.example", addresses={"fake": "one"}),
    Entry("2", "管理 二", "情報課", roles=[ADMINISTRATOR], email="two@city.example"),
    Entry("3", "本部 三", "防災課", roles=[HEADQUARTERS], addresses={"fake": "three"}),
    Entry("4", "職員 四", "総務課", addresses={"fake": "four"}),
]
WHY = "database or disk is full"


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    async with Harness(Router(), members=STAFF) as harness:
        yield harness


def texts_to(harness: Harness, person: str) -> list[str]:
    return [message.text for message in harness.sent_to(person)]


async def test_a_trouble_is_told_to_the_administrators_when_it_begins_and_when_it_is_over(harness: Harness) -> None:
    await harness.alarms.raise_alarm("database_not_ready", reason=WHY)
    await harness.idle()
    assert ["書き込めません" in text for text in texts_to(harness, "one")] == [True]
    assert "database or disk is full" in texts_to(harness, "one")[0]
    await harness.alarms.raise_alarm("database_not_ready", reason=WHY)
    await harness.advance(timedelta(minutes=30))
    assert len(texts_to(harness, "one")) == 1
    await harness.alarms.clear("database_not_ready")
    await harness.idle()
    assert "書き込めるように" in texts_to(harness, "one")[1]
    assert texts_to(harness, "three") == texts_to(harness, "four") == []
    assert harness.alarms.standing == ()


async def test_where_nobody_looks_after_the_bot_the_headquarters_hear_of_it() -> None:
    async with Harness(Router(), members=STAFF[2:]) as harness:
        await harness.alarms.raise_alarm("database_not_ready", reason=WHY)
        await harness.idle()
        assert len(texts_to(harness, "three")) == 1


async def test_a_trouble_that_comes_and_goes_every_minute_is_not_told_every_minute(harness: Harness) -> None:
    for _ in range(5):
        await harness.alarms.raise_alarm("database_not_ready", reason=WHY)
        await harness.advance(timedelta(seconds=30))
        await harness.alarms.clear("database_not_ready")
        await harness.advance(timedelta(seconds=30))
    assert len(texts_to(harness, "one")) <= 6
    assert "書き込めるように" in texts_to(harness, "one")[-1]
    await harness.advance(CALM)
    await harness.alarms.raise_alarm("database_not_ready", reason=WHY)
    await harness.idle()
    assert "書き込めません" in texts_to(harness, "one")[-1]


async def test_a_word_that_cannot_be_stored_is_mailed_at_once_and_said_in_the_chat_when_that_is_possible(
    harness: Harness,
) -> None:
    mail = FakePlatform(harness.clock, name="mail", capabilities=Capabilities())
    adapters = {"fake": harness.platform, "mail": mail}
    outbox = Outbox(harness.database, adapters, harness.clock, harness.activity)
    alarms = Alarms(harness.database, outbox, ["fake"], harness.clock, harness.activity, Texts("bot"), mail=mail)
    await alarms.start()
    await harness.idle()
    async with read_only(harness.database):
        await alarms.raise_alarm("database_not_ready", reason=WHY)
        await harness.advance(AGAIN * 3)
        assert sorted(each.address.id for each in mail.sent) == ["one@city.example", "two@city.example"]
        assert harness.sent == []
    await alarms.clear("database_not_ready")
    await harness.advance(AGAIN)
    harness.outbox.ring()
    await harness.idle()
    [told] = texts_to(harness, "one")
    assert "書き込めません" in told
    assert "書き込めるように" in told
    await alarms.stop()


async def queued(harness: Harness) -> Sequence[tuple[str, str]]:
    async with harness.database.snapshot() as db:
        rows = await db.execute(select(deliveries.c.adapter, deliveries.c.address).order_by(deliveries.c.id))
        return [(row.adapter, row.address) for row in rows]


async def test_a_mail_goes_besides_where_the_chat_is_down_and_to_whoever_has_none(harness: Harness) -> None:
    mail = FakePlatform(harness.clock, name="mail", capabilities=Capabilities())
    mail.respond = lambda _: Retry("not in this test")
    outbox = Outbox(harness.database, {"fake": harness.platform, "mail": mail}, harness.clock, harness.activity)
    alarms = Alarms(harness.database, outbox, ["fake"], harness.clock, harness.activity, Texts("bot"), mail=mail)
    await alarms.start()
    await alarms.raise_alarm("database_not_ready", reason=WHY)
    await harness.idle()
    assert await queued(harness) == [("fake", "one"), ("mail", "two@city.example")]
    await alarms.raise_alarm("inbox_not_ready", subject="fake", avoiding=["fake"], reason=WHY)
    await harness.idle()
    assert (await queued(harness))[2:] == [("mail", "one@city.example"), ("mail", "two@city.example")]
    await alarms.stop()


async def test_a_kind_without_a_sentence_is_told_all_the_same(harness: Harness) -> None:
    await harness.alarms.raise_alarm("something_new")
    await harness.idle()
    assert "something_new" in texts_to(harness, "one")[0]
