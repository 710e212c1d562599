"""Questions and their answers, through the whole pipeline and on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from bot.directory import Entry, save
from bot.errors import Refused
from bot.events import ButtonPressed, Location, MessageReceived
from bot.storage import Database
from bot.tables import members
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from broadcasts.answer_rows import Answer, keep
from broadcasts.questions import Question, arrival
from broadcasts.tables import broadcast_answers, broadcasts
from handlers.wishes import Wish, parse
from tests.broadcasts.support import city_hall, staff
from tests.broadcasts.test_chat import chat, notices

NOON = datetime(2023, 10, 2, 3, tzinfo=UTC)


async def asked(harness: Harness, command: str, number: int = 1) -> SentMessage:
    """Send a notice; the message that people see."""
    await harness.press("hq", await harness.say("hq", command), "送信する")
    return notices(harness, number)[0]


def last(harness: Harness, person: str) -> SentMessage:
    return harness.sent_to(person)[-1]


async def location(harness: Harness, person: str) -> None:
    await harness.receive(
        MessageReceived(
            adapter="fake",
            key=f"where-{len(harness.sent)}",
            conversation=person,
            direct=True,
            occurred_at=harness.clock.now(),
            sender=person,
            message_id="where",
            location=Location(latitude=35.5, longitude=139.25, label="市民センター"),
        )
    )


async def test_safety_is_answered_by_buttons_changed_and_followed_with_those_in_need_first() -> None:
    async with chat() as harness:
        preview = await harness.say("hq", "/一斉 緊急 安否 地震がありました。")
        assert "【緊急】\n地震がありました。\n\n【安否確認】" in preview.text
        assert "ボタン：［無事］［負傷］［要救助］" in preview.text
        await harness.press("hq", preview, "送信する")
        (notice,) = notices(harness)
        assert [button.label for button in notice.buttons] == ["無事", "負傷", "要救助"]
        assert notice.address.kind == "room"

        assert await harness.press("a", notice, "無事") == []  # nothing is said into the room
        assert "「無事」と記録しました" in last(harness, "a").text
        assert last(harness, "a").address.kind == "person"
        await harness.advance(timedelta(minutes=2))
        await harness.press("b", notice, "要救助")
        assert "いまいる場所と様子" in last(harness, "b").text
        heard = await harness.say("b", "本庁舎3階、\n棚の下")
        assert "「要救助（本庁舎3階、 棚の下）」と記録しました" in heard.text
        await harness.press("c", notice, "負傷")
        await location(harness, "c")
        assert "負傷（市民センター 35.50000,139.25000）" in last(harness, "c").text
        await harness.press("a", notice, "負傷")

        counts = await harness.say("hq", "/安否")
        assert "回答 3／5人（60%）、未回答 2人" in counts.text
        assert "■ 助けや手当てが必要な人：3人\n・職員b（税務課）要救助（本庁舎3階、 棚の下）" in counts.text
        assert "無事 0人（0%、最初の回答 1人）" in counts.text
        assert "回答を変えた人 1人" in counts.text
        assert "・税務課 2／2人（100%） 負傷 1、要救助 1" in counts.text
        names = await harness.say("hq", "/安否 1 一覧")
        assert names.text.index("要救助：1人") < names.text.index("負傷：2人") < names.text.index("未回答：2人")
        assert "職員hq" in names.text
        assert "職員d" in names.text
        assert "既読 3／5人" in (await harness.say("hq", "/既読")).text  # to answer is to have read
        assert "回答 3／5人（60%）" in (await harness.say("hq", "/既読")).text


async def test_the_same_press_delivered_twice_counts_once_and_a_late_one_does_not_overwrite() -> None:
    async with chat() as harness:
        notice = await asked(harness, "/一斉 緊急 安否 本文")
        moment = harness.clock.now()

        def press(choice: str, key: str, minutes: int) -> ButtonPressed:
            return ButtonPressed(
                adapter="fake",
                key=key,
                conversation=notice.address.id,
                occurred_at=moment + timedelta(minutes=minutes),
                sender="a",
                message_id=notice.id,
                data=f"answer:1:{choice}",
            )

        await harness.receive(press("hurt", "k2", 5), press("hurt", "k2", 5))
        await harness.receive(press("rescue", "k1", 1))  # said before, heard later
        async with harness.database.snapshot() as db:
            row = (await db.execute(select(broadcast_answers))).one()
        assert (row.first_choice, row.latest_choice) == ("rescue", "hurt")
        assert (row.first_at, row.latest_at) == (moment + timedelta(minutes=1), moment + timedelta(minutes=5))


async def test_a_muster_asks_for_the_arrival_or_the_reason() -> None:
    async with chat() as harness:
        notice = await asked(harness, "/一斉 参集 緊急 第2配備 @税務課 @総務課 大雨警報です。")
        assert "【参集確認】第2配備です。" in notice.text
        await harness.press("a", notice, "参集する")
        offered = last(harness, "a")
        assert [button.label for button in offered.buttons] == ["30分以内", "1時間以内", "2時間以内", "それ以上"]
        (said,) = await harness.press("a", offered, "1時間以内")
        assert "「参集する（1時間以内）」と記録しました" in said.text
        await harness.press("b", notice, "参集する")
        assert "時刻を読み取れませんでした" in (await harness.say("b", "すぐ行く")).text
        assert "「参集する（30分以内、9時20分には着きます）」" in (await harness.say("b", "9時20分には着きます")).text
        await harness.press("c", notice, "参集できない")
        assert "「参集できない（そのほかの理由、子の迎え）」" in (await harness.say("c", "子の迎え")).text
        counts = (await harness.say("hq", "/参集 1")).text
        assert "参集の状況 第2配備" in counts
        assert "参集する 2人（50%" in counts
        assert "・30分以内 1人" in counts
        assert "・1時間以内 1人" in counts
        assert "・そのほかの理由 1人" in counts


async def test_words_that_were_not_asked_for_go_on_to_the_next_handler() -> None:
    async with chat() as harness:
        notice = await asked(harness, "/一斉 緊急 安否 本文")
        await harness.press("a", notice, "無事")
        before = len(harness.sent_to("a"))
        assert await harness.post("a", "今日の会議は何時ですか") == harness.sent_to("a")[before:]
        await harness.press("b", notice, "要救助")
        await harness.advance(timedelta(minutes=31))
        await harness.post("b", "もう大丈夫です")
        async with harness.database.snapshot() as db:
            rows = (await db.execute(select(broadcast_answers.c.latest_detail))).all()
        assert {row.latest_detail for row in rows} == {""}


async def test_a_member_asks_for_the_question_again_or_answers_by_words() -> None:
    async with chat() as harness:
        assert "いま、お聞きしている安否確認はありません" in (await harness.say("a", "/安否")).text
        assert "参集の確認はありません" in (await harness.say("a", "/参集")).text
        await asked(harness, "/一斉 緊急 安否 地震がありました。")
        again = await harness.say("a", "/安否")
        assert "地震がありました。" in again.text
        assert again.reference == "answer:1"
        (said,) = await harness.press("a", again, "負傷")
        assert "負傷" in said.text
        assert "いまの回答：「負傷」" in (await harness.say("a", "/安否")).text
        assert "「要救助（車庫の裏）」" in (await harness.say("b", "/安否 要救助 車庫の裏")).text
        assert "「無事」" in (await harness.say("hq", "/安否 無事")).text
        assert "「無事」" in (await harness.say("c", "/安否 無事 心配いりません")).text
        assert "災害対策本部" in (await harness.say("a", "/回答 1")).text


async def test_acknowledgements_and_free_choices_are_counted() -> None:
    async with chat() as harness:
        notice = await asked(harness, "/一斉 確認 鍵の返し方が変わりました。")
        await harness.press("a", notice, "確認しました")
        assert "確認しました 1人（20%" in (await harness.say("hq", "/回答 1")).text
        notice = await asked(harness, "/一斉 選択（出られる／出られない） 土曜の応援", 2)
        assert notice.text.startswith("【お知らせ】\n土曜の応援\n\n【質問】")
        await harness.press("b", notice, "出られない")
        assert "「出られない」" in last(harness, "b").text
        assert "出られない 1人" in (await harness.say("hq", "/回答")).text
        await asked(harness, "/一斉 本文", 3)
        assert "回答をお願いしていない" in (await harness.say("hq", "/回答 3")).text
        assert "番号 9 の一斉連絡はありません" in (await harness.say("hq", "/回答 9")).text


async def test_strangers_outsiders_and_forged_buttons_are_answered_in_pair_talk_and_leave_no_row() -> None:
    async with chat() as harness:
        notice = await asked(harness, "/一斉 緊急 安否 @税務課 本文")
        await harness.press("nobody", notice, "無事")
        assert "職員名簿に登録がない" in last(harness, "nobody").text
        await harness.press("a", notice, "無事")
        assert "宛先に入っていない" in last(harness, "a").text
        for number, data in enumerate(("answer:1:come", "answer:x:safe", "answer:99:safe", "answer:1")):
            await harness.receive(
                ButtonPressed(
                    adapter="fake",
                    key=f"forged{number}",
                    conversation="r1",
                    occurred_at=harness.clock.now(),
                    sender="b",
                    message_id=notice.id,
                    data=data,
                )
            )
            assert "このボタンは使えません" in last(harness, "b").text
        async with harness.database.snapshot() as db:
            assert (await db.execute(select(broadcast_answers))).first() is None


async def test_a_drill_says_so_in_every_word_and_is_counted_apart() -> None:
    async with chat() as harness:
        preview = await harness.say("hq", "/一斉 安否 訓練 地震の想定です。")
        (sent,) = [m for m in await harness.press("hq", preview, "送信する") if m.reference is None]
        (notice,) = notices(harness)
        await harness.press("a", notice, "要救助")
        heard = await harness.say("a", "西階段")
        await harness.advance(timedelta(minutes=15))
        reminder = last(harness, "b")
        again = await harness.say("c", "/安否")
        for message in (sent, notice, heard, reminder, again):
            assert message.text.startswith("【訓練】"), message.text
        assert reminder.buttons == notice.buttons
        assert "番号 1（訓練" in (await harness.say("hq", "/安否")).text


@pytest.mark.parametrize(
    ("typed", "wish"),
    [
        ("緊急 安否 本文", Wish("emergency", (), (), "本文", Question(asks="safety"))),
        ("第２配備 参集 訓練 本文", Wish("drill", (), (), "本文", Question(asks="muster", stage=2))),
        ("Muster stage3 emergency x", Wish("emergency", (), (), "x", Question(asks="muster", stage=3))),
        ("第2配備 を発令しました", Wish("notice", (), (), "第2配備 を発令しました")),
        ("緊急 第2配備 を発令", Wish("emergency", (), (), "第2配備 を発令")),
        ("安否 参集 の話", Wish("notice", (), (), "参集 の話", Question(asks="safety"))),
        ("本日の安否 確認 は不要", Wish("notice", (), (), "本日の安否 確認 は不要")),
        ("安否確認の訓練は中止です", Wish("notice", (), (), "安否確認の訓練は中止です")),
        (
            "選択 (A／B、C) @税務課 どれ",
            Wish("notice", ("税務課",), (), "どれ", Question(asks="choice", choices=("A", "B", "C"))),
        ),
    ],
)
def test_only_the_leading_words_make_a_question(typed: str, wish: Wish) -> None:
    assert parse(typed) == wish


@pytest.mark.parametrize("typed", ["選択（一つだけ） x", "選択（A／A） x", "選択（" + "長" * 21 + "／短） x"])
def test_choices_that_make_no_question_are_refused(typed: str) -> None:
    with pytest.raises(Refused):
        parse(typed)


@pytest.mark.parametrize(
    ("words", "choice"),
    [
        ("12:20", "come:30"),
        ("12時半ごろ", "come:30"),
        ("１３時", "come:60"),
        ("14:00に着く", "come:120"),
        ("明日の9時", "come:over"),
        ("40分", "come:60"),
        ("1時間半", "come:120"),
        ("2時間30分", "come:over"),
        ("3 hours", "come:over"),
        ("11:50", "come:30"),
        ("すぐ", None),
        ("", None),
    ],
)
def test_an_arrival_is_read_from_words(words: str, choice: str | None) -> None:
    assert arrival(words, NOON) == choice


ANSWERS = st.lists(
    st.builds(
        Answer,
        choice=st.sampled_from(["safe", "hurt", "rescue"]),
        detail=st.sampled_from(["", "車庫"]),
        at=st.integers(0, 3).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        key=st.sampled_from(["e1", "e2", "e3", "e4"]),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda answer: (answer.at, answer.key),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=ANSWERS, data=st.data())
async def test_first_and_latest_are_the_same_in_any_order_and_however_often(
    database: Database, answers: list[Answer], data: st.DataObject
) -> None:
    async with database.transaction() as db:
        if await db.scalar(select(members.c.id)) is None:
            await save(db, [Entry("1", "職員", "総務課")])
            await db.execute(
                broadcasts.insert().values(
                    token="t", kind="notice", text="x", audience="{}", author_id=1, created_at=NOON
                )
            )
        await db.execute(delete(broadcast_answers))
        order = data.draw(st.permutations([*answers, *data.draw(st.lists(st.sampled_from(answers), max_size=3))]))
        for answer in order:
            await keep(db, 1, 1, answer)
        row = (await db.execute(select(broadcast_answers))).one()
    ordered = sorted(answers, key=lambda answer: (answer.at, answer.key))
    for place, expected in (("first", ordered[0]), ("latest", ordered[-1])):
        kept = Answer(*(row._mapping[f"{place}_{part}"] for part in ("choice", "detail", "at", "key")))
        assert kept == expected


PRESSES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["come", "come:30", "come:over", "cannot", "cannot:road"]),
        st.integers(0, 4),  # minutes after the notice
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=12, deadline=None)
@given(presses=PRESSES, data=st.data())
def test_through_the_whole_pipeline_each_answer_counts_once_in_any_order(
    presses: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    async def run() -> None:
        async with chat() as harness:
            await asked(harness, "/一斉 緊急 参集 本文")
            sent_at = harness.clock.now()
            events = [
                ButtonPressed(
                    adapter="fake",
                    key=f"press-{number:02}",
                    conversation=person,
                    direct=True,
                    occurred_at=sent_at + timedelta(minutes=minutes),
                    sender=person,
                    message_id="m",
                    data=f"answer:1:{choice}",
                )
                for number, (person, choice, minutes) in enumerate(presses)
            ]
            told = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=4))]))
            cut = data.draw(st.integers(0, len(told)))
            await harness.receive(*told[:cut])
            await harness.receive(*told[cut:])
            async with harness.database.snapshot() as db:
                query = select(members.c.code, broadcast_answers).join(
                    broadcast_answers, broadcast_answers.c.member_id == members.c.id
                )
                kept = {row.code: row for row in await db.execute(query)}
            assert kept.keys() == {event.sender for event in events}
            for person, row in kept.items():
                theirs = sorted((e for e in events if e.sender == person), key=lambda e: (e.occurred_at, e.key))
                first, latest = (each.data.removeprefix("answer:1:") for each in (theirs[0], theirs[-1]))
                assert (row.first_choice, row.first_at) == (first, theirs[0].occurred_at)
                assert (row.latest_choice, row.latest_at) == (latest, theirs[-1].occurred_at)
            said = (await harness.say("hq", "/参集 1")).text
            assert f"回答 {len(kept)}／5人" in said
            # Every press is answered once, however often the platform tells of it.
            for person in kept:
                noted = [m for m in harness.sent_to(person) if "と記録しました" in m.text]
                assert len(noted) == sum(event.sender == person for event in events)

    asyncio.run(run())


async def test_the_summaries_carry_first_and_latest_counts(database: Database) -> None:
    async with city_hall(database, staff(5)) as hall:
        number = await hall.send("本文", kind="emergency", question=Question(asks="muster", stage=1))
        await hall.quiet()
        responses = hall.broadcasts.responses
        for minutes, code, choice in ((1, "001", "come"), (2, "001", "cannot:road"), (3, "002", "come:30")):
            async with database.transaction() as db:
                person = await hall.member(code)
                at = hall.clock.now() + timedelta(minutes=minutes)
                await responses.press(db, person, number, choice, at=at, key=f"k{minutes}")
        (summary,) = await hall.broadcasts.summaries()
        assert summary["responses"] == {
            "asks": "muster",
            "stage": 1,
            "asked": 5,
            "answered": 2,
            "changed": 1,
            "first": {"come": 2, "cannot": 0},
            "latest": {"come": 1, "cannot": 1},
            "refined": {
                "come:30": 1,
                "come:60": 0,
                "come:120": 0,
                "come:over": 0,
                "cannot:family": 0,
                "cannot:health": 0,
                "cannot:road": 1,
                "cannot:duty": 0,
            },
        }
        status = await hall.broadcasts.status(number)
        assert status.read == 2
        assert status.tally is not None
        assert status.tally.answered == 2
