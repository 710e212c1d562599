"""The talk with one person, over a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import Refused
from bot.messages import Message
from surveys.loading import parse_definition
from surveys.tables import survey_participants
from surveys.vault import read_plain
from tests.surveys.conftest import Hall, poll


def labels(message: Message | None) -> list[str]:
    assert message is not None
    return [button.label for button in message.buttons]


def text(message: Message | None) -> str:
    assert message is not None
    return message.text


async def counts(hall: Hall, survey_id: int) -> dict[str, dict[object, int | None]]:
    results = await hall.close(survey_id)
    return {table.key: {row.value: row.count for row in table.rows} for table in results.tables}


async def test_one_question_follows_the_other_until_the_end(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    first = await hall.start("alice", survey.id)
    assert "（1/4）" in first.text
    assert "使いましたか。" in first.text
    assert first.reference == f"survey:{survey.id}:question:used:choice"
    second = await hall.press("alice", first, "毎日")
    assert second.reference == f"survey:{survey.id}:question:feel:scale"
    third = await hall.press("alice", second, "5 良い")
    assert third.reference == f"survey:{survey.id}:question:comment:text"
    end = await hall.say("alice", "便利です")
    assert "ありがとうございました" in text(end)
    results = await hall.close(survey.id)
    assert results.respondents == 1
    assert [table.words for table in results.tables if table.key == "comment"] == [("便利です",)]


async def test_a_typed_number_equals_the_button_in_that_place(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    await hall.answer("alice", survey.id, "２", "4", "なし")
    pressed = await hall.press("bob", await hall.start("bob", survey.id), "ときどき")
    await hall.press("bob", pressed, "4")
    await hall.say("bob", "答えない")
    assert (await counts(hall, survey.id))["used"] == {1: 0, 2: 2, 3: 0, 4: 0}


async def test_a_number_may_also_stand_for_going_back(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    asked = await hall.answer("alice", survey.id, "1")
    place = labels(asked).index("戻る") + 1
    back = await hall.say("alice", str(place))
    assert "使いましたか。" in text(back)
    assert "そのまま次へ" in labels(back)
    assert "使い心地は。" in text(await hall.say("alice", "そのまま次へ"))


async def test_a_number_is_words_where_words_are_asked(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    await hall.answer("alice", survey.id, "1", "1", "2")
    results = await hall.close(survey.id)
    assert results.tables[3].words == ("2",)


async def test_a_branch_is_asked_only_of_those_it_concerns(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    assert "使わない理由は。" in text(await hall.answer("alice", survey.id, "使わない"))
    assert "使い心地は。" in text(await hall.say("alice", "1、2"))
    assert "使い心地は。" in text(await hall.answer("bob", survey.id, "毎日"))


async def test_leaving_a_branch_leaves_its_answer_out(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    end = await hall.answer("alice", survey.id, "3", "1 2", "4", "答えない")
    again = await hall.press("alice", end or Message(text="-"), "答えを直す")
    await hall.press("alice", again, "毎日")
    tables = {table.key: table for table in (await hall.close(survey.id)).tables}
    assert tables["why"].asked == 0
    assert [row.count for row in tables["why"].rows] == [0, 0, 0, 0]


async def test_everyone_is_asked_the_branches_of_an_anonymous_survey(hall: Hall) -> None:
    survey = await hall.open(poll())
    for name, first in (("alice", "1"), ("bob", "3")):
        asked = await hall.answer(name, survey.id, first)
        assert "使わない理由は。" in text(asked)
        assert "答えない" in labels(asked)
    await hall.say("alice", "答えない")
    await hall.say("bob", "2")
    for name in ("alice", "bob"):
        await hall.say(name, "3")
        await hall.say(name, "答えない")
    tables = {table.key: table for table in (await hall.close(survey.id)).tables}
    assert (tables["why"].asked, tables["why"].blank) == (1, 0)
    assert tables["feel"].asked == 2


@pytest.mark.parametrize("nonsense", ["9", "0", "", "たぶん", "1 と言いたいが", "-1"])
async def test_what_cannot_be_read_gets_a_kind_sentence_and_loses_nothing(hall: Hall, nonsense: str) -> None:
    survey = await hall.open(poll("named"))
    await hall.answer("alice", survey.id, "2")
    reply = await hall.say("alice", nonsense)
    assert "すみません" in text(reply)
    assert "使い心地は。" in text(reply)
    await hall.say("alice", "3")
    await hall.say("alice", "答えない")
    assert (await counts(hall, survey.id))["used"][2] == 1


async def test_a_required_question_cannot_be_passed_over(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    asked = await hall.start("alice", survey.id)
    assert "答えない" not in labels(asked)
    assert "すみません" in text(await hall.say("alice", "答えない"))
    async with hall.database.transaction() as db:
        reply = await hall.surveys.conversation.press(db, hall.ids["alice"], f"blank:{survey.id}:0")
    assert "使いましたか。" in reply.text


async def test_one_can_pause_and_go_on(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    await hall.answer("alice", survey.id, "1")
    hall.clock.advance(timedelta(days=2))
    assert await hall.say("alice", "おはようございます") is None
    assert "使い心地は。" in text(await hall.start("alice"))
    assert await hall.say("alice", "4") is not None


async def test_the_last_answer_counts_and_each_person_once(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    end = await hall.answer("alice", survey.id, "1", "1", "最初")
    again = await hall.press("alice", end or Message(text="-"), "答えを直す")
    await hall.press("alice", again, "ときどき")
    await hall.say("alice", "5")
    assert "終わりました" in text(await hall.say("alice", "二度目"))
    results = await hall.close(survey.id)
    assert results.respondents == 1
    assert results.tables[3].words == ("二度目",)
    assert [row.count for row in results.tables[0].rows] == [0, 1, 0, 0]


async def test_a_button_of_an_earlier_message_corrects_that_answer(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    first = await hall.start("alice", survey.id)
    second = await hall.press("alice", first, "毎日")
    await hall.press("alice", second, "1")
    corrected = await hall.press("alice", first, "ときどき")
    assert "回答を直しました" in corrected.text
    assert "ご意見を。" in corrected.text
    await hall.say("alice", "答えない")
    finished = await hall.press("alice", second, "2")
    assert "回答を直しました" in finished.text
    tables = await counts(hall, survey.id)
    assert tables["used"][2] == 1
    assert tables["feel"] == {1: 0, 2: 1, 3: 0, 4: 0, 5: 0}


async def test_two_devices_at_once_leave_one_answer(hall: Hall) -> None:
    survey = await hall.open(poll())
    await hall.start("alice", survey.id)
    await asyncio.gather(*(hall.say("alice", answer) for answer in ("1", "2", "3", "1")))
    await hall.start("alice", survey.id)
    for _ in range(6):
        reply = await hall.say("alice", "答えない")
        if reply is not None and "すみません" in reply.text:
            reply = await hall.say("alice", "1")
    results = await hall.close(survey.id)
    assert results.respondents == 1
    assert sum(row.count or 0 for row in results.tables[0].rows) == 1


async def test_plain_text_goes_to_the_survey_that_asked_last(hall: Hall) -> None:
    one, other = await hall.open(poll("named")), await hall.open(poll("named"))
    await hall.start("alice", one.id)
    hall.clock.advance(timedelta(minutes=1))
    await hall.start("alice", other.id)
    reply = await hall.say("alice", "1")
    assert reply is not None
    assert reply.reference == f"survey:{other.id}:question:feel:scale"


async def test_without_an_id_the_open_survey_goes_on_or_a_list_is_offered(hall: Hall) -> None:
    assert "ありません" in (await hall.start("alice")).text
    one = await hall.open(poll("named"))
    assert "使いましたか。" in (await hall.start("alice")).text
    other = await hall.open(poll("named"))
    offered = await hall.start("alice")
    assert [button.data for button in offered.buttons] == [f"survey:start:{one.id}", f"survey:start:{other.id}"]
    for survey in (one, other):
        await hall.answer("alice", survey.id, "1", "1", "答えない")
        await hall.press("alice", await hall.start("alice", survey.id), "答えを直す")
    done = await hall.start("alice")
    assert {button.data for button in done.buttons} == {f"survey:again:{one.id}", f"survey:again:{other.id}"}


async def test_strangers_closed_surveys_and_broken_buttons_are_refused(hall: Hall) -> None:
    survey = await hall.open(poll("named"), audience=[hall.ids["alice"]])
    with pytest.raises(Refused, match=r"survey\.not_asked"):
        await hall.start("bob", survey.id)
    async with hall.database.transaction() as db:
        for data in ("", "answer", "answer:x", f"answer:{survey.id}", f"answer:{survey.id}:99:1", "answer:²:1:1"):
            with pytest.raises(Refused, match=r"survey\.button_unknown"):
                await hall.surveys.conversation.press(db, hall.ids["alice"], data)
        # An option that does not exist is asked again.
        reply = await hall.surveys.conversation.press(db, hall.ids["alice"], f"answer:{survey.id}:0:77")
        assert "すみません" in reply.text
        reply = await hall.surveys.conversation.press(db, hall.ids["alice"], f"answer:{survey.id}:3:1")
        assert "もう一度" in reply.text
    await hall.close(survey.id)
    with pytest.raises(Refused, match=r"survey\.closed"):
        await hall.start("alice", survey.id)
    assert await hall.say("alice", "1") is None


async def test_an_answer_after_the_closing_time_is_refused_even_before_the_loop_has_closed_it(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    first = await hall.start("alice", survey.id)
    hall.clock.advance(timedelta(days=8))
    with pytest.raises(Refused, match=r"survey\.closed"):
        await hall.press("alice", first, "毎日")


async def test_own_words_may_follow_the_number_of_other(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    await hall.answer("alice", survey.id, "4 窓口の呼び出し", "3", "答えない")
    await hall.answer("bob", survey.id, "その他：会議", "3", "答えない")
    await hall.answer("carol", survey.id, "4", "3", "答えない")
    table = (await hall.close(survey.id)).tables[0]
    assert table.rows[3].count == 3
    assert table.words == ("会議", "窓口の呼び出し")


async def test_all_kinds_of_questions_can_be_asked_in_sections(hall: Hall) -> None:
    definition = parse_definition("""
key = "kinds"
title = "いろいろ"
anonymity = "named"
[[questions]]
key = "grid"
kind = "matrix"
section = "使い勝手"
text = "どう思いますか。"
rows = ["速さ", "見やすさ"]
options = ["良い", "悪い"]
[[questions]]
key = "minutes"
kind = "number"
text = "一日に何分減りましたか。"
maximum = 480
unit = "分"
[[questions]]
key = "since"
kind = "date"
text = "いつから使っていますか。"
earliest = 2023-07-01
[[questions]]
key = "long"
kind = "choice"
text = "長い選択肢。"
options = ["この選択肢はとても長いのでボタンには入りきらず、番号を付けて本文に並べて示すことになります", "短い"]
shuffle = true
""")
    survey = await hall.open(definition)
    first = await hall.start("alice", survey.id)
    assert "■ 使い勝手" in first.text
    assert first.reference == f"survey:{survey.id}:question:grid.1:matrix"
    second = await hall.press("alice", first, "良い")
    assert "見やすさ" in second.text
    await hall.say("alice", "2")
    assert "480分以下" in text(await hall.say("alice", "900"))
    await hall.say("alice", "１１分")
    assert "2023-07-01以後" in text(await hall.say("alice", "2023年6月30日"))
    last = await hall.say("alice", "2023/7/3")
    assert "1. " in text(last)
    assert not any(button.data.startswith("survey:answer") for button in (last or first).buttons)
    shown = text(last).splitlines()
    number = next(line.split(".")[0] for line in shown if line.endswith("短い"))
    await hall.say("alice", number)
    tables = {table.key: table for table in (await hall.close(survey.id)).tables}
    assert [row.count for row in tables["grid.2"].rows] == [0, 1]
    assert tables["minutes"].mean == 11
    assert tables["since"].rows[0].value == "2023-07-03"
    assert [row.count for row in tables["long"].rows] == [0, 1]


async def test_an_answer_costs_two_statements(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = await hall.open(poll())
    await hall.start("alice", survey.id)
    async with hall.database.snapshot() as db:
        kind = type(db)
    carry_out = kind.execute
    statements: list[object] = []

    async def counted(connection: AsyncConnection, statement: Any, *rest: Any, **options: Any) -> Any:
        statements.append(statement)
        return await carry_out(connection, statement, *rest, **options)

    monkeypatch.setattr(kind, "execute", counted)
    await hall.say("alice", "1")
    assert len(statements) == 2


async def test_a_closing_that_overtakes_an_answer_wins(hall: Hall) -> None:
    survey = await hall.open(poll("named"))
    await hall.start("alice", survey.id)
    async with hall.database.snapshot() as db:
        before = (await db.execute(select(survey_participants))).all()
    await hall.close(survey.id)
    async with hall.database.snapshot() as db:
        after = (await db.execute(select(survey_participants))).all()
    assert len(before) == len(after)
    assert all(row.sheet is None and row.awaiting is None for row in after)


async def test_a_typed_figure_is_the_answer_that_says_it_and_never_the_button_in_that_place(hall: Hall) -> None:
    definition = parse_definition(
        'key = "k"\ntitle = "t"\nanonymity = "named"\n[[questions]]\nkey = "q"\nkind = "choice"\ntext = "回数"\n'
        'options = ["0", "1", "2", "3以上"]\n[[questions]]\nkey = "r"\nkind = "text"\ntext = "他に"\n'
    )
    survey = await hall.open(definition)
    asked = await hall.start("alice", survey.id)
    assert "「番」を付けて" in asked.text
    assert "番号なのか答えの数字なのか" in text(await hall.say("alice", "3"))
    assert "他に" in text(await hall.say("alice", "1"))
    await hall.say("alice", "なし")
    async with hall.database.snapshot() as db:
        body = (await db.execute(select(survey_participants.c.sheet))).scalars().all()
    assert [read_plain(sheet)["q"] for sheet in body if sheet] == [2]
