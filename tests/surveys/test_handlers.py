"""Surveys through the whole pipeline: webhook events in, messages out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.audit import audit_log
from bot.directory import ADMINISTRATOR, HEADQUARTERS, Entry
from bot.errors import Refused
from bot.router import Router
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts.dialogues import Dialogues
from handlers.closing import closing_moment
from handlers.survey_opening import LENGTH, asked_by_name
from handlers.surveys import build_router, results_text
from surveys.definition import Sheet
from surveys.loading import load_definitions
from surveys.results import Results
from surveys.service import Surveys
from surveys.tabulation import simple
from surveys.vault import Vault
from tests.surveys.conftest import poll

ROOT = Path(__file__).parent.parent.parent
DEFINITIONS = load_definitions(ROOT / "config" / "surveys")
STAFF = [
    Entry("0001", "青木 花子", "総務課", roles=[ADMINISTRATOR], addresses={"fake": "admin"}),
    Entry("0002", "井上 次郎", "防災課", roles=[HEADQUARTERS], addresses={"fake": "chief"}),
    Entry("0003", "上田 三郎", "福祉課", addresses={"fake": "alice"}),
    Entry("0004", "江川 四郎", "福祉課", addresses={"fake": "bob"}),
    Entry("0005", "大野 五郎", "福祉課"),
]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    service: list[Surveys] = []

    def build(harness: Harness) -> Router:
        surveys = Surveys(
            harness.database,
            harness.outbox,
            harness.clock,
            harness.activity,
            Texts("surveys"),
            vault=Vault(tmp_path / "keys"),
            resolve=asked_by_name,
        )
        service.append(surveys)
        monthly = poll("named").model_copy(update={"opens": "毎月末日 09:00", "audience": ["福祉課"]})
        known = {"poll": poll("named"), "talk": poll("confidential", 5), "monthly": monthly}
        return build_router(surveys, {**DEFINITIONS, **known}, Dialogues(harness.database, harness.clock))

    async with Harness(build, members=STAFF, texts=Texts("bot", "broadcasts", "surveys")) as harness:
        await service[0].start()
        yield harness
        await service[0].stop()


async def opened_by(harness: Harness, person: str, command: str) -> list[SentMessage]:
    """Look at the preview, and start."""
    return await harness.press(person, await harness.say(person, command), "始める")


async def answer_all(harness: Harness, person: str, *, frequency: str, satisfaction: str, comment: str) -> str:
    announcement = harness.sent_to(person)[0]
    [question] = await harness.press(person, announcement, "回答する")
    [question] = await harness.press(person, question, frequency)
    [question] = await harness.press(person, question, satisfaction)
    question = await harness.say(person, "1 3")
    return (await harness.say(person, comment)).text


async def test_a_poll_of_the_trial_goes_from_the_command_to_the_results(harness: Harness) -> None:
    [opened, announced] = await opened_by(harness, "admin", "/アンケート 開始 trial-feedback 締切 5日")
    assert announced.reference == "survey:1"
    assert "アンケート 1「業務チャット試行アンケート」を始めました。対象 5名、締切 2023-07-08 23:59" in opened.text
    assert "案内できない職員が1名" in opened.text
    for person in ("alice", "bob"):
        [announcement] = harness.sent_to(person)
        assert announcement.reference == "survey:1"
    thanks = await answer_all(harness, "alice", frequency="ほぼ毎日", satisfaction="5 とても良い", comment="便利です")
    assert "ありがとうございました" in thanks
    await answer_all(harness, "bob", frequency="週に1日くらい", satisfaction="2", comment="答えない")
    assert "締め切ったあとに見られます" in (await harness.say("chief", "／アンケート　結果　1")).text
    closed = await harness.say("chief", "/アンケート 締切 1")
    assert "回答 2名／対象 5名" in closed.text
    results = (await harness.say("admin", "/survey results 1")).text
    assert "回答 2名／対象 5名（40.0%）" in results
    assert "ほぼ毎日：1（50.0%）" in results
    assert "平均 3.50　中央値 3.5" in results
    assert "連絡が早く届く：2（100.0%）" in results
    assert "無回答：1（50.0%）" in results
    assert "・便利です" in results


async def test_the_questions_carry_the_references_that_tell_what_they_are(harness: Harness) -> None:
    await opened_by(harness, "admin", "/アンケート 開始 trial-feedback")
    await answer_all(harness, "alice", frequency="ほぼ毎日", satisfaction="3", comment="なし")
    assert [message.reference for message in harness.sent_to("alice")] == [
        "survey:1",
        "survey:1:question:frequency:choice",
        "survey:1:question:satisfaction:scale",
        "survey:1:question:benefits:multiple",
        "survey:1:question:comment:text",
        "survey:1:finished",
    ]


async def test_the_command_goes_on_where_one_stopped_and_nothing_else_is_taken_for_an_answer(harness: Harness) -> None:
    assert await harness.post("alice", "こんにちは") == []
    await opened_by(harness, "admin", "/アンケート 開始 poll")
    assert await harness.post("alice", "こんにちは") == []
    await harness.say("alice", "/アンケート")
    await harness.say("alice", "1")
    await harness.advance(timedelta(days=2))
    assert await harness.post("alice", "1") == []
    assert "（3/4）" in (await harness.say("alice", "/survey")).text
    assert await harness.post("stranger", "1") == []
    assert await harness.post("alice", "") == []


async def test_a_survey_closes_by_itself_at_its_time(harness: Harness) -> None:
    await opened_by(harness, "admin", "/アンケート 開始 poll 締切 2023-07-04")
    question = await harness.say("alice", "/アンケート")
    await harness.advance(timedelta(days=1, hours=15))
    assert "締め切りました" in (await harness.press("alice", question, "毎日"))[0].text
    assert "もう締め切っています" in (await harness.say("admin", "/アンケート 締切 1")).text


async def test_a_survey_goes_to_a_department_and_to_named_people(harness: Harness) -> None:
    [opened] = await opened_by(harness, "admin", "/アンケート 開始 poll ＠福祉課 @0002 締切 7日")
    assert "対象 4名、締切 2023-07-10 23:59" in opened.text
    assert [len(harness.sent_to(person)) for person in ("chief", "alice", "bob")] == [1, 1, 1]
    assert "見つかりません" in (await harness.say("admin", "/アンケート 開始 poll @無い課")).text
    [everybody, _] = await opened_by(harness, "admin", "/アンケート 開始 poll")
    assert "対象 5名" in everybody.text


async def test_a_poll_of_one_question_is_drafted_in_the_chat(harness: Harness) -> None:
    [opened] = await opened_by(
        harness, "chief", "/アンケート 作成 懇親会（秋）｜行きますか。| 行く | 行かない | @福祉課 | 締切 2日"
    )
    assert "「懇親会（秋）」を始めました。対象 3名、締切 2023-07-05 23:59" in opened.text
    [question] = await harness.press("alice", harness.sent_to("alice")[0], "回答する")
    assert "行きますか。" in question.text
    assert "ありがとう" in (await harness.press("alice", question, "行かない"))[0].text


@pytest.mark.parametrize(
    "draft", ["題名", "題名 | 質問", "題名 | 質問 | 一つだけ", "題名 | 質問 | 同じ | 同じ", "| | 一 | 二"]
)
async def test_a_poll_that_lacks_something_says_how_to_write_it(harness: Harness, draft: str) -> None:
    assert "縦棒で区切って" in (await harness.say("admin", f"/アンケート 作成 {draft}")).text


async def test_in_a_room_the_answer_is_a_pointer_to_pair_talk(harness: Harness) -> None:
    assert "個別トーク" in (await harness.say("alice", "/アンケート", room="room1")).text
    assert await harness.post("alice", "1", room="room1") == []


@pytest.mark.parametrize(
    "command",
    [
        "/アンケート 開始 trial-feedback",
        "/アンケート 結果 1",
        "/アンケート 締切 1",
        "/survey open poll",
        "/アンケート 作成 a|b|c|d",
    ],
)
async def test_staff_without_the_role_are_refused_politely(harness: Harness, command: str) -> None:
    assert "担当だけができます" in (await harness.say("alice", command)).text


async def test_strangers_are_told_whom_to_ask(harness: Harness) -> None:
    assert "職員名簿" in (await harness.say("stranger", "/アンケート")).text


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("/アンケート 開始", "・trial-feedback　業務チャット試行アンケート"),
        ("/アンケート どうする", "使い方"),
        ("/アンケート 結果 いち", "使い方"),
        ("/アンケート 開始 無い名前", "trial-feedback"),
        ("/アンケート 開始 poll 締切 いつか", "「いつか」を日付として読み取れませんでした"),
        ("/アンケート 開始 poll 締切 2023-02-30", "「2023-02-30」という日はありません"),
        ("/アンケート 開始 poll 締切 2023-06-30", "いまより後"),
        ("/アンケート 結果 99", "アンケート 99 はありません"),
        ("/アンケート 締切 99999999999999999999", "ありません"),
    ],
)
async def test_what_makes_no_sense_is_answered_with_what_to_write(harness: Harness, command: str, answer: str) -> None:
    assert answer in (await harness.say("admin", command)).text
    async with harness.database.snapshot() as db:
        assert (await db.execute(select(audit_log).where(audit_log.c.action == "survey.opened"))).all() == []


async def test_a_button_of_nobodys_survey_is_answered_kindly(harness: Harness) -> None:
    await opened_by(harness, "admin", "/アンケート 開始 poll")
    announcement = harness.sent_to("alice")[0]
    assert "職員名簿" in (await harness.press("stranger", announcement, "回答する"))[0].text


async def test_who_opened_and_closed_stands_in_the_audit(harness: Harness) -> None:
    await opened_by(harness, "admin", "/アンケート 開始 poll")
    await harness.say("chief", "/アンケート 締切 1")
    async with harness.database.snapshot() as db:
        rows = (await db.execute(select(audit_log.c.actor, audit_log.c.action).order_by(audit_log.c.seq))).all()
    assert [tuple(row) for row in rows][-2:] == [("0001", "survey.opened"), ("0002", "survey.closed")]


def test_closing_days_are_read_as_people_write_them() -> None:
    now = datetime(2023, 7, 3, tzinfo=UTC)
    assert closing_moment("５日", now) == datetime(2023, 7, 8, 14, 59, tzinfo=UTC)
    # In Japan it is one in the morning of the fourth.
    assert closing_moment("10d", now + timedelta(hours=16)) == datetime(2023, 7, 14, 14, 59, tzinfo=UTC)
    assert closing_moment("2023年7月31日", now) == datetime(2023, 7, 31, 14, 59, tzinfo=UTC)
    with pytest.raises(Refused):
        closing_moment("2023-13-01", now)


def test_small_counts_are_named_as_hidden_and_a_long_message_is_cut() -> None:
    definition = poll("anonymous", smallest=5)
    sheets: list[Sheet] = [{"used": 1, "feel": 3, "comment": "長い意見です。" * 80 + str(n)} for n in range(20)]
    sheets += [{"used": 2, "feel": 4, "comment": None}] * 2
    now = datetime(2023, 7, 3, tzinfo=UTC)
    results = Results(
        id=1,
        key="poll",
        title="試行",
        state="closed",
        anonymity="anonymous",
        opened_at=now,
        closes_at=now,
        asked=30,
        respondents=22,
        tables=simple(definition, sheets, threshold=5),
    )
    text = results_text(Texts("surveys"), results)
    assert "ときどき：少数のため非表示" in text
    assert "ほか10件" in text or text.endswith("…")
    assert len(text) == LENGTH


async def test_a_survey_is_reserved_in_the_chat_opens_each_month_and_is_called_off(harness: Harness) -> None:
    assert "予約しているアンケートはありません" in (await harness.say("chief", "/アンケート 予約")).text
    reserved = await harness.say(
        "chief", "/アンケート 予約 poll 毎月10日 ９時半 翌開庁日 @福祉課 締切 5日 2023-09-30まで"
    )
    assert "毎月10日 09:30（閉庁日のときは翌開庁日）（2023-09-30まで）、次は 2023-07-10（月） 09:30" in reserved.text
    assert "対象：福祉課、締切：始めてから5日後" in reserved.text
    await harness.advance(timedelta(days=120))
    announced = [message.reference for message in harness.sent_to("alice") if "【アンケート】" in message.text]
    assert announced == ["survey:1", "survey:2", "survey:3"]
    assert harness.sent_to("admin") == []
    told = [message.text for message in harness.sent_to("chief")]
    assert sum("番号" in text and "始めました。対象は3名" in text for text in told) == 3
    once = await harness.say("admin", "/survey schedule poll 2023-12-01 09:00 until 2023-12-08")
    assert "締切：2023-12-08 23:59" in once.text
    assert "予約 2" in (await harness.say("admin", "/アンケート 予約")).text
    assert "取り消しました" in (await harness.say("admin", "/アンケート 予約 取消 2")).text
    await harness.advance(timedelta(days=60))
    assert not any(message.reference == "survey:4" for message in harness.sent_to("alice"))


async def test_the_definition_says_when_and_whom_unless_somebody_says_otherwise(harness: Harness) -> None:
    await harness.say("admin", "/アンケート 予約 monthly")
    listed = (await harness.say("admin", "/アンケート 予約")).text
    assert "毎月末日 09:00" in listed
    assert "対象：福祉課" in listed
    opened = (await opened_by(harness, "admin", "/アンケート 開始 monthly"))[0]
    assert "対象 3名" in opened.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nothing 毎月1日 09:00", "という名前のアンケートはありません"),
        ("poll いつか", "「いつか」を日時として読み取れませんでした"),
        ("poll", "予約の日時を読み取れませんでした"),
        ("poll 毎月1日 09:00 ときどき", "予約の日時を読み取れませんでした"),
        ("poll 毎月1日 09:00 そのうちまで", "「そのうち」を日付として読み取れませんでした"),
        ("poll 毎月1日 09:00 締切 999日", "「999日」を日付として読み取れませんでした"),
        ("poll 毎月1日 09:00 締切 2023-12-01", "締切は「締切 5日」のように日数で"),
        ("poll 2023-07-01 09:00", "「2023-07-01 09:00」（2023-07-01（土） 09:00）は過ぎています"),
        ("取消 9", "予約 9 はありません"),
    ],
)
async def test_what_cannot_be_reserved_is_explained(harness: Harness, words: str, said: str) -> None:
    assert said in (await harness.say("admin", f"/アンケート 予約 {words}")).text


async def test_only_those_who_run_surveys_reserve_them(harness: Harness) -> None:
    assert "担当だけができます" in (await harness.say("alice", "/アンケート 予約 poll 毎月1日 09:00")).text
