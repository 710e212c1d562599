"""Confidential surveys: the owner sees whose answer is whose, nobody else does, and no file has a name."""

from __future__ import annotations

import orjson
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from bot.audit import audit_log
from bot.directory import Member, member_at
from bot.errors import Refused
from bot.testing.harness import Harness
from bot.texts import Texts
from surveys import evaluation
from surveys.confidential import told
from surveys.counting import CannotCount, count, plain
from surveys.exports.sheets import to_sheets
from surveys.tables import surveys
from tests.surveys.conftest import NAMES, Hall, poll
from tests.surveys.test_handlers import harness, opened_by

__all__ = ["harness"]
CONFIDENTIAL = poll("confidential", 5)


async def member(hall: Hall, name: str) -> Member:
    async with hall.database.snapshot() as db:
        found = await member_at(db, "fake", f"u-{name}")
    assert found is not None
    return found


async def answered(hall: Hall) -> int:
    survey = await hall.open(CONFIDENTIAL, owner=hall.ids["alice"])
    for name in NAMES:
        await hall.answer(name, survey.id, "1" if name != "bob" else "3", *(["1"] if name == "bob" else []), "5", name)
    return survey.id


async def test_the_owner_reads_whose_answer_is_whose_before_and_after_closing_and_each_look_is_noted(
    hall: Hall,
) -> None:
    survey_id = await answered(hall)
    for _ in range(2):
        async with hall.database.transaction() as db:
            _, found = await told(db, hall.clock, hall.vault, survey_id, reader=await member(hall, "alice"))
        assert [person.name for person in found] == sorted(NAMES)
        assert found[1].sheet == {"used": 3, "why": [1], "feel": 5, "comment": "bob"}
        async with hall.database.snapshot() as db:
            state = await db.scalar(select(surveys.c.state))
        if state == "open":
            await hall.close(survey_id)
    async with hall.database.snapshot() as db:
        looks = (await db.execute(select(audit_log).where(audit_log.c.action == "survey.read"))).all()
    assert [look.actor for look in looks] == ["alice", "alice"]


async def test_nobody_else_reads_single_answers_not_even_of_a_survey_of_another_kind(hall: Hall) -> None:
    survey_id = await answered(hall)
    named = await hall.open(poll("named"), owner=hall.ids["alice"])
    for reader, wanted in (("bob", survey_id), ("alice", named.id), ("alice", 99)):
        with pytest.raises(Refused, match="owner_only"):
            async with hall.database.transaction() as db:
                await told(db, hall.clock, hall.vault, wanted, reader=await member(hall, reader))


async def test_tables_wait_for_the_end_and_hide_small_counts_and_own_words(hall: Hall) -> None:
    survey_id = await answered(hall)
    assert (await hall.surveys.results(survey_id)).tables == ()
    async with hall.database.snapshot() as db:
        [held] = await evaluation.held(db, hall.vault)
        assert (held.tables, held.respondents) == ((), len(NAMES))
        with pytest.raises(CannotCount, match="is confidential and still open"):
            await count(db, hall.vault, survey_id)
    results = await hall.close(survey_id)
    used = results.tables[0]
    assert [row.count for row in used.rows][2] is None
    assert all(table.words == () for table in results.tables)
    async with hall.database.snapshot() as db:
        [held] = await evaluation.held(db, hall.vault)
    assert held.tables == results.tables


async def test_no_name_is_in_any_file(hall: Hall) -> None:
    survey_id = await answered(hall)
    await hall.close(survey_id)
    async with hall.database.snapshot() as db:
        with pytest.raises(CannotCount, match="single answers"):
            await to_sheets(db, hall.vault, survey_id, Texts("surveys"))
        written = orjson.dumps(plain(await count(db, hall.vault, survey_id))).decode()
    for name in NAMES:
        assert name not in written


async def test_a_confidential_survey_has_an_owner_and_shows_no_count_below_five(hall: Hall) -> None:
    with pytest.raises(Refused, match="no_owner"):
        await hall.open(CONFIDENTIAL)
    with pytest.raises(ValidationError, match="shows no count below 5"):
        type(CONFIDENTIAL).model_validate({**CONFIDENTIAL.model_dump(), "smallest_cell": 4})
    default = type(CONFIDENTIAL).model_validate({**CONFIDENTIAL.model_dump(), "smallest_cell": None})
    assert default.threshold == 5


async def test_in_the_chat_the_owner_asks_for_one_person_and_another_manager_is_refused(harness: Harness) -> None:
    await opened_by(harness, "admin", "/アンケート 開始 talk")
    announcement = harness.sent_to("alice")[0]
    assert "始めた担当者だけ" in announcement.text
    begun = await harness.say("alice", "/アンケート")
    assert "見られるのは、担当者だけ" in begun.text
    for answer in ("1", "5", "上田です"):
        await harness.say("alice", answer)
    shown = (await harness.say("admin", "/アンケート 回答 1 @上田 三郎")).text
    assert "（1名）" in shown
    assert "■ 上田 三郎" in shown
    assert "使いましたか。：毎日" in shown
    assert "ご意見を。：上田です" in shown
    assert "（0名）" in (await harness.say("admin", "/アンケート 回答 1 @江川 四郎")).text
    for asked in ("/アンケート 回答 1", "/アンケート 回答 x"):
        assert "見られません" in (await harness.say("chief", asked)).text
    assert "締め切ったあとに見られます" in (await harness.say("chief", "/アンケート 結果 1")).text
