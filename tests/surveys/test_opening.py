"""Before a survey goes out: what would be sent is looked at, and only that is sent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from bot.directory import Entry, save
from bot.tables import member_roles, members
from bot.testing.harness import Harness
from surveys.tables import surveys
from tests.surveys.test_handlers import harness

__all__ = ["harness"]

COMMAND = "/アンケート 開始 trial-feedback @福祉課 締切 5日"


async def opened(harness: Harness) -> int:
    async with harness.database.snapshot() as db:
        return len((await db.execute(select(surveys.c.id))).all())


async def test_the_preview_says_who_what_until_when_and_sends_nothing(harness: Harness) -> None:
    preview = await harness.say("admin", COMMAND)
    for words in (
        "まだ送っていません",
        "アンケート「業務チャット試行アンケート」",
        "対象：福祉課（3名）",
        "案内できない職員が1名",
        "締切：2023-07-08 23:59",
        "無記名です",
        "質問は4問です",
        "（ほぼ毎日／週に2〜3日／",
        "1〜5から選ぶ",
        "自由に書く",
    ):
        assert words in preview.text
    assert [button.label for button in preview.buttons] == ["始める", "やめる"]
    assert await opened(harness) == 0
    assert harness.sent_to("alice") == []


async def test_a_poll_without_an_introduction_has_no_hole_in_it(harness: Harness) -> None:
    preview = await harness.say("admin", "/アンケート 作成 懇親会|行きますか。|行く|行かない")
    await harness.press("admin", preview, "始める")
    for text in (preview.text, harness.sent_to("alice")[0].text):
        assert "\n\n" not in text


@pytest.mark.parametrize("no", ["やめる", "２", "2"])
async def test_whoever_thinks_better_of_it_sends_nothing(harness: Harness, no: str) -> None:
    preview = await harness.say("admin", COMMAND)
    [dropped] = await harness.post("admin", no) if no != "やめる" else await harness.press("admin", preview, no)
    assert "だれにも送っていません" in dropped.text
    assert "もう終わっています" in (await harness.press("admin", preview, "始める"))[0].text
    assert await opened(harness) == 0


@pytest.mark.parametrize("yes", ["始める", "１"])
async def test_the_buttons_may_be_typed(harness: Harness, yes: str) -> None:
    await harness.say("admin", COMMAND)
    assert "始めました。対象 3名" in (await harness.say("admin", yes)).text


async def test_pressed_twice_it_opens_once(harness: Harness) -> None:
    preview = await harness.say("admin", COMMAND)
    await harness.press("admin", preview, "始める")
    assert "もう終わっています" in (await harness.press("admin", preview, "始める"))[0].text
    assert await opened(harness) == 1


async def test_only_the_latest_preview_counts(harness: Harness) -> None:
    first = await harness.say("admin", COMMAND)
    second = await harness.say("admin", "/アンケート 開始 poll")
    assert "もう終わっています" in (await harness.press("admin", first, "始める"))[0].text
    assert "対象 5名" in (await harness.press("admin", second, "始める"))[0].text


async def test_what_somebody_else_looked_at_is_theirs(harness: Harness) -> None:
    preview = await harness.say("admin", COMMAND)
    assert "もう終わっています" in (await harness.press("chief", preview, "始める"))[0].text
    assert "担当だけ" in (await harness.press("alice", preview, "始める"))[0].text
    assert await opened(harness) == 0


async def test_who_has_joined_meanwhile_is_shown_before_anything_is_sent(harness: Harness) -> None:
    preview = await harness.say("admin", COMMAND)
    async with harness.database.transaction() as db:
        await save(db, [Entry("0006", "木下 六郎", "福祉課", addresses={"fake": "kino"})])
    [again] = await harness.press("admin", preview, "始める")
    assert "対象の職員が変わりました" in again.text
    assert "（4名）" in again.text
    assert await opened(harness) == 0
    assert "もう終わっています" in (await harness.press("admin", preview, "始める"))[0].text
    assert "対象 4名" in (await harness.press("admin", again, "始める"))[0].text


async def test_as_many_but_other_people_are_other_people(harness: Harness) -> None:
    preview = await harness.say("admin", COMMAND)
    async with harness.database.transaction() as db:
        await save(db, [Entry("0006", "木下 六郎", "福祉課", addresses={"fake": "kino"})])
        await db.execute(update(members).where(members.c.code == "0003").values(active=False))
    assert "変わりました" in (await harness.press("admin", preview, "始める"))[0].text


async def test_whoever_has_lost_the_role_starts_nothing(harness: Harness) -> None:
    preview = await harness.say("admin", COMMAND)
    async with harness.database.transaction() as db:
        await db.execute(delete(member_roles))
    assert "担当だけ" in (await harness.press("admin", preview, "始める"))[0].text
    assert await opened(harness) == 0


async def test_a_closing_day_that_has_passed_meanwhile_is_said(harness: Harness) -> None:
    preview = await harness.say("admin", "/アンケート 開始 trial-feedback 締切 2023-07-03")
    await harness.advance(timedelta(hours=11))
    assert "締切 2023-07-03 23:59" in (await harness.press("admin", preview, "始める"))[0].text
    late = await harness.say("admin", "/アンケート 開始 trial-feedback 締切 2023-07-03")
    await harness.advance(timedelta(hours=5))
    assert "いまより後" in (await harness.press("admin", late, "始める"))[0].text
    assert await opened(harness) == 1


async def test_yesterdays_preview_is_over(harness: Harness) -> None:
    preview = await harness.say("admin", COMMAND)
    await harness.advance(timedelta(hours=13))
    assert "もう終わっています" in (await harness.press("admin", preview, "始める"))[0].text
    assert await harness.post("admin", "1") == []


async def test_a_survey_is_found_by_its_title(harness: Harness) -> None:
    preview = await harness.say("admin", "/アンケート 開始 業務チャット試行アンケート")
    assert "「業務チャット試行アンケート」" in preview.text
    assert preview.buttons


async def test_a_number_answers_a_question_where_no_preview_waits(harness: Harness) -> None:
    await harness.press("admin", await harness.say("admin", COMMAND), "始める")
    await harness.press("alice", harness.sent_to("alice")[0], "回答する")
    assert "（2/4）" in (await harness.say("alice", "1番")).text  # a bare 1 could be one of the days
