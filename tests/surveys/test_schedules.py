"""Surveys that open by themselves, on both databases and by a clock that stands still."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select, update

from bot import directory, recurrence
from bot.audit import audit_log
from bot.clock import TOKYO
from bot.directory import HEADQUARTERS, Member
from bot.errors import Refused
from bot.tables import deliveries, members, messages
from surveys.schedules import Plan, Reserved
from surveys.service import Surveys
from surveys.tables import survey_participants, survey_schedules, surveys
from tests.surveys.conftest import Hall, by_department, poll

ADMINISTRATORS = [directory.Entry("boss", "boss", "本部", roles=[HEADQUARTERS], addresses={"fake": "u-boss"})]


def plan(words: str, **more: object) -> Plan:
    found = recurrence.parse(words)
    assert found is not None
    return Plan.model_validate({"definition": poll("named"), "rule": found[0], **more})


async def owner_of(hall: Hall, code: str = "alice") -> Member:
    async with hall.database.snapshot() as db:
        found = await directory.member_by_code(db, code)
    assert found is not None
    return found


async def reserve(hall: Hall, wanted: Plan) -> Reserved:
    owner = await owner_of(hall)
    async with hall.database.transaction() as db:
        reserved = await hall.surveys.schedules.reserve(db, wanted, owner=owner, actor=owner.code)
    hall.surveys.ring()
    await hall.activity.idle()
    return reserved


async def until(hall: Hall, *moment: int) -> None:
    """Go on hour by hour, so that what is due is done at its time."""
    end = datetime(*moment, tzinfo=TOKYO)  # type: ignore[arg-type,misc] # year, month, day …
    while hall.clock.now() < end:
        hall.clock.advance(min(timedelta(hours=1), end - hall.clock.now()))
        await hall.activity.idle()


async def openings(hall: Hall) -> list[str]:
    async with hall.database.snapshot() as db:
        opened = await db.scalars(select(surveys.c.opened_at).order_by(surveys.c.id))
        return [f"{moment.astimezone(TOKYO):%m-%d %H:%M}" for moment in opened]


async def told(hall: Hall) -> list[tuple[str, str]]:
    """What was said about reservations, and to whom."""
    async with hall.database.snapshot() as db:
        rows = await db.execute(
            select(deliveries.c.address, messages.c.body)
            .join(messages)
            .where(deliveries.c.key.like("survey:schedule:%"))
            .order_by(deliveries.c.id)
        )
        return [(address, body) for address, body in rows]


async def test_each_month_of_the_trial_it_opens_on_a_day_on_which_the_city_hall_is_open(hall: Hall) -> None:
    definition = poll("named").model_copy(update={"until": date(2023, 12, 31), "days": 5})
    await hall.surveys.start()
    reserved = await reserve(hall, plan("毎月23日 10:00 翌開庁日", definition=definition))
    assert reserved.next_at == datetime(2023, 7, 24, 10, tzinfo=TOKYO)
    await until(hall, 2024, 2, 1)
    # 23 July, 23 September and 23 December are no working days, and 23 November is a holiday.
    expected = ["07-24 10:00", "08-23 10:00", "09-25 10:00", "10-23 10:00", "11-24 10:00", "12-25 10:00"]
    assert await openings(hall) == expected
    async with hall.database.snapshot() as db:
        rows = (await db.execute(select(surveys))).all()
        assert {row.state for row in rows} == {"closed"}
        assert {row.closes_at - row.opened_at for row in rows} == {timedelta(days=5, hours=13, minutes=59)}
        assert await db.scalar(select(survey_schedules.c.state)) == "done"
    assert len(await told(hall)) == 6
    assert all(address == "u-alice" for address, _ in await told(hall))


async def test_what_opens_once_opens_once_for_those_who_are_named_and_closes_at_its_time(hall: Hall) -> None:
    async with hall.database.transaction() as db:
        await directory.save(db, [directory.Entry("gina", "gina", "福祉部", addresses={"fake": "u-gina"})])
    closes = datetime(2023, 7, 20, 23, 59, tzinfo=TOKYO)
    await hall.surveys.start()
    await reserve(hall, plan("2023-07-10 09:00", names=["福祉部"], closes_at=closes))
    await until(hall, 2023, 8, 1)
    assert await openings(hall) == ["07-10 09:00"]
    async with hall.database.snapshot() as db:
        row = (await db.execute(select(surveys))).one()
        asked = await db.scalars(select(members.c.code).join(survey_participants))
        assert asked.all() == ["gina"]
    assert (row.closes_at, row.state) == (closes, "closed")
    [(_, said)] = await told(hall)
    assert "番号 1" in said
    assert "1名" in said


async def test_what_fell_due_while_nothing_ran_opens_once(hall: Hall) -> None:
    await reserve(hall, plan("毎週月曜 09:00"))
    hall.clock.advance(timedelta(days=30))
    await hall.surveys.start()
    await hall.activity.idle()
    assert len(await openings(hall)) == 1
    async with hall.database.snapshot() as db:
        assert await hall.surveys.schedules.next_due(db) == datetime(2023, 8, 7, 9, tzinfo=TOKYO)


async def test_two_processes_open_it_once(hall: Hall) -> None:
    await reserve(hall, plan("2023-07-10 09:00"))
    parts = (hall.database, hall.surveys._outbox, hall.clock, hall.activity, hall.surveys.texts)
    twins = [hall.surveys, *(Surveys(*parts, vault=hall.vault, resolve=by_department) for _ in range(3))]
    hall.clock.advance(timedelta(days=8))
    await asyncio.gather(*(twin.schedules.do_due() for twin in twins))
    for twin in twins[1:]:
        await twin.start()
    await hall.activity.idle()
    for twin in twins[1:]:
        await twin.stop()
    assert len(await openings(hall)) == 1
    assert len(await told(hall)) == 1


async def test_one_that_cannot_open_says_why_and_keeps_no_other_from_it(hall: Hall) -> None:
    async with hall.database.transaction() as db:
        await directory.save(db, [directory.Entry("gina", "gina", "福祉部")])
    await reserve(hall, plan("毎月10日 09:00", names=["福祉部"]))
    await reserve(hall, plan("毎月10日 09:00"))
    async with hall.database.transaction() as db:
        await db.execute(update(members).where(members.c.code == "gina").values(active=False))
    await hall.surveys.start()
    await until(hall, 2023, 7, 11)
    async with hall.database.snapshot() as db:
        assert (await db.execute(select(surveys))).all() != []
        assert [row.id for row in (await db.execute(select(surveys))).all()] in ([1], [2])  # a number may be lost
        noted = (await db.scalars(select(audit_log.c.action).where(audit_log.c.action == "survey.not_opened"))).all()
    assert len(noted) == 1
    assert len(await told(hall)) == 2
    assert "対象の職員がいません" in (await told(hall))[0][1]
    async with hall.database.snapshot() as db:
        assert len(await hall.surveys.schedules.listing(db)) == 2  # next month there may be somebody


async def test_it_stops_when_its_owner_has_left_and_those_who_run_surveys_are_told(hall: Hall) -> None:
    await reserve(hall, plan("毎月10日 09:00"))
    async with hall.database.transaction() as db:
        await directory.save(db, ADMINISTRATORS)
        await db.execute(update(members).where(members.c.code == "alice").values(active=False))
    await hall.surveys.start()
    await until(hall, 2023, 8, 11)
    assert await openings(hall) == []
    [(address, said)] = await told(hall)
    assert address == "u-boss"
    assert "職員名簿にいません" in said
    async with hall.database.snapshot() as db:
        assert await db.scalar(select(survey_schedules.c.state)) == "stopped"


async def test_a_reservation_that_is_called_off_opens_nothing(hall: Hall) -> None:
    await hall.surveys.start()
    reserved = await reserve(hall, plan("毎日 09:00"))
    async with hall.database.transaction() as db:
        ended = await hall.surveys.schedules.cancel(db, reserved.id, actor="alice")
        assert ended.plan == reserved.plan
        with pytest.raises(Refused, match="unknown"):
            await hall.surveys.schedules.cancel(db, reserved.id, actor="alice")
    await until(hall, 2023, 7, 10)
    assert await openings(hall) == []
    async with hall.database.snapshot() as db:
        assert await hall.surveys.schedules.listing(db) == []


@pytest.mark.parametrize(
    ("words", "more", "reason"),
    [
        ("2023-07-03 08:59", {}, "past"),
        ("2023-07-10 09:00", {"closes_at": datetime(2023, 7, 9, tzinfo=TOKYO)}, "past"),
        ("毎月1日 09:00", {"definition": poll().model_copy(update={"until": date(2023, 7, 31)})}, "past"),
        ("毎月1日 09:00", {"closes_at": datetime(2023, 9, 9, tzinfo=TOKYO)}, "closing"),
        ("毎月1日 09:00", {"names": ["観光部"]}, "no_audience"),
    ],
)
async def test_what_cannot_be_is_refused_at_once(hall: Hall, words: str, more: dict[str, object], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        await reserve(hall, plan(words, **more))
