"""Opening, reminding, closing and counting, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from bot.errors import Refused
from bot.tables import addresses, members
from surveys.service import Settings, Surveys
from surveys.tables import survey_participants, survey_sheets, surveys
from tests.surveys.conftest import NAMES, Hall, by_department, poll


async def test_opening_writes_once_to_everyone_at_the_address_they_prefer(hall: Hall) -> None:
    async with hall.database.transaction() as db:
        await db.execute(
            insert(addresses).values(member_id=hall.ids["bob"], adapter="line", address="L-bob", preference=-1)
        )
        await db.execute(update(addresses).where(addresses.c.member_id == hall.ids["carol"]).values(reachable=False))
        await db.execute(update(members).where(members.c.code == "dave").values(active=False))
    survey = await hall.open(poll())
    assert (survey.asked, survey.unreachable) == (5, 1)
    sent = await hall.queued(f"survey:{survey.id}")
    assert [address for address, _ in sent] == ["u-alice", "L-bob", "u-erin", "u-frank"]
    assert len({message.model_dump_json() for _, message in sent}) == 1
    message = sent[0][1]
    assert "無記名" in message.text
    assert "質問は4問" in message.text
    assert "2023-07-10 23:59" in message.text
    assert [(button.label, button.data) for button in message.buttons] == [("回答する", f"survey:start:{survey.id}")]
    assert message.reference == f"survey:{survey.id}"


async def test_an_audience_may_be_named_and_nobody_else_is_asked(hall: Hall) -> None:
    survey = await hall.open(poll("named"), audience=[hall.ids["alice"], hall.ids["bob"], hall.ids["alice"]])
    assert survey.asked == 2
    assert [address for address, _ in await hall.queued(f"survey:{survey.id}")] == ["u-alice", "u-bob"]


async def test_a_survey_for_nobody_or_for_yesterday_is_refused_and_leaves_nothing(hall: Hall) -> None:
    with pytest.raises(Refused, match="no_audience"):
        await hall.open(poll(), audience=[])
    with pytest.raises(Refused, match="closing_past"):
        await hall.open(poll(), closes_at=hall.clock.now())
    async with hall.database.snapshot() as db:
        assert (await db.execute(select(surveys))).all() == []


async def test_reminders_go_to_those_who_have_not_finished_as_often_as_set(hall: Hall) -> None:
    await hall.surveys.start()
    survey = await hall.open(poll("named"))
    await hall.answer("alice", survey.id, "1", "1", "答えない")
    await hall.answer("bob", survey.id, "1")
    for _ in range(8):
        await hall.activity.idle()
        hall.clock.advance(timedelta(days=1))
    await hall.activity.idle()
    first = await hall.queued(f"survey:{survey.id}:reminder:1")
    assert [address for address, _ in first] == [f"u-{name}" for name in NAMES[1:]]
    assert "締切" in first[0][1].text
    assert len(await hall.queued(f"survey:{survey.id}:reminder:2")) == 5
    assert await hall.queued(f"survey:{survey.id}:reminder:3") == []
    assert (await hall.surveys.results(survey.id)).state == "closed"


async def test_no_reminder_is_set_where_none_is_wanted_or_the_survey_is_shorter(hall: Hall) -> None:
    short = await hall.open(poll("named"), closes_at=hall.clock.now() + timedelta(days=2))
    async with hall.database.snapshot() as db:
        row = (await db.execute(select(surveys).where(surveys.c.id == short.id))).one()
    assert row.next_reminder_at is None


async def test_the_loop_closes_at_the_time_also_what_an_earlier_process_opened(hall: Hall) -> None:
    survey = await hall.open(poll())
    await hall.answer("alice", survey.id, "1", "答えない", "5", "答えない")
    hall.clock.advance(timedelta(days=30))
    await hall.surveys.start()
    await hall.activity.idle()
    results = await hall.surveys.results(survey.id)
    assert results.state == "closed"
    assert results.respondents == 1
    assert results.tables[2].mean == 5


async def test_closing_twice_is_refused_and_an_unknown_survey_too(hall: Hall) -> None:
    survey = await hall.open(poll())
    await hall.close(survey.id)
    with pytest.raises(Refused, match="closed_already"):
        await hall.close(survey.id)
    with pytest.raises(Refused, match="unknown"):
        await hall.close(999)
    with pytest.raises(Refused, match="unknown"):
        await hall.surveys.results(999)


async def test_only_finished_sheets_count(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    await hall.answer("alice", survey.id, "1", "5", "答えない")
    await hall.answer("bob", survey.id, "1", "5")
    while_open = await hall.surveys.results(survey.id)
    closed = await hall.close(survey.id)
    assert while_open.respondents == closed.respondents == 1
    assert while_open.tables == closed.tables


async def test_a_named_survey_keeps_whose_sheet_it_is(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    await hall.answer("alice", survey.id, "1", "5", "答えない")
    await hall.close(survey.id)
    async with hall.database.snapshot() as db:
        row = (await db.execute(select(survey_sheets))).one()
    assert row.member_id == hall.ids["alice"]
    assert row.body == '{"used":1,"feel":5,"comment":null}'


async def test_a_summary_holds_what_the_report_prints(hall: Hall) -> None:
    survey = await hall.open(poll())
    await hall.answer("alice", survey.id, "2", "答えない", "4", "はやい")
    [while_open] = await hall.surveys.summaries()
    assert while_open["tables"] == []
    assert (while_open["asked"], while_open["respondents"]) == (6, 1)
    await hall.close(survey.id)
    [summary] = await hall.surveys.summaries()
    assert summary["id"] == survey.id
    assert summary["opened_at"] == "2023-07-03T09:00:00+09:00"
    used = summary["tables"][0]
    assert used["question"] == "使いましたか。"
    assert used["counts"][1] == {"value": 2, "label": "ときどき", "count": 1, "share": 1.0, "vote_share": 1.0}
    assert summary["tables"][2]["mean"] == 4
    assert summary["tables"][3]["words"] == ["はやい"]


async def test_a_missing_key_keeps_one_survey_open_and_holds_up_no_other(hall: Hall) -> None:
    lost, other = await hall.open(poll()), await hall.open(poll())
    await hall.answer("alice", lost.id, "1", "答えない", "5", "答えない")
    async with hall.database.snapshot() as db:
        name = (await db.execute(select(surveys.c.vault_key).where(surveys.c.id == lost.id))).scalar_one()
    hall.vault.destroy(name)
    await hall.surveys.start()
    await hall.activity.idle()
    hall.clock.advance(timedelta(days=8))
    await hall.activity.idle()
    assert (await hall.surveys.results(lost.id)).state == "open"
    assert (await hall.surveys.results(other.id)).state == "closed"


async def test_two_processes_remind_once(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    twin = Surveys(
        hall.database,
        hall.surveys._outbox,
        hall.clock,
        hall.activity,
        hall.surveys.texts,
        vault=hall.vault,
        resolve=by_department,
        settings=Settings(reminders=2),
    )
    await hall.surveys.start()
    await twin.start()
    await hall.activity.idle()
    hall.clock.advance(timedelta(days=3))
    await hall.activity.idle()
    await twin.stop()
    assert len(await hall.queued(f"survey:{survey.id}:reminder:1")) == len(NAMES)
    async with hall.database.snapshot() as db:
        assert (await db.execute(select(surveys.c.reminders))).scalar_one() == 1
        assert len((await db.execute(select(survey_participants))).all()) == len(NAMES)
