"""The evaluation's questions to the database, on both databases, against hand-counted answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import usage
from bot.directory import Entry, save
from bot.storage import Database
from bot.tables import addresses, deliveries, members, messages
from bot.usage import DEPARTMENT, EVERYBODY, Period
from broadcasts import evaluation as notices
from broadcasts.tables import broadcast_answers, broadcast_recipients, broadcasts
from surveys import evaluation as polls
from surveys.loading import parse_definition
from surveys.tables import survey_participants, survey_sheets, surveys
from surveys.vault import Vault

JULY = datetime(2023, 7, 1, tzinfo=UTC)
SENT = JULY + timedelta(days=9)


def minutes(count: float) -> datetime:
    return SENT + timedelta(minutes=count)


async def people(db: AsyncConnection) -> dict[str, int]:
    """Three in 総務部, one in 福祉部, and one who has left; `c` has no address."""
    await save(
        db,
        [
            Entry(code=code, name=code, department=department, addresses={} if code == "c" else {"x": code})
            for code, department in (
                ("a", "総務部"),
                ("b", "総務部"),
                ("c", "総務部"),
                ("d", "福祉部"),
                ("e", "福祉部"),
            )
        ],
    )
    await db.execute(members.update().where(members.c.code == "e").values(active=False))
    await usage.note_traits(db, "skill", {"a": "高い", "b": "低い", "d": "高い", "nobody": "高い", "c": ""})
    return {code: number for code, number in await db.execute(select(members.c.code, members.c.id))}  # noqa: C416 - rows


async def notice(db: AsyncConnection, author: int, reads: dict[int, datetime | None], kind: str = "notice") -> int:
    stored = await db.execute(
        insert(broadcasts).values(
            token=f"{kind}-{len(reads)}",
            kind=kind,
            text="件名\n本文",
            audience="{}",
            author_id=author,
            state="sent",
            created_at=SENT,
            sent_at=SENT,
        )
    )
    assert stored.inserted_primary_key is not None
    number = int(stored.inserted_primary_key[0])
    await db.execute(
        insert(broadcast_recipients),
        [
            {"broadcast_id": number, "member_id": member, "department_id": 1, "adapter": "x", "read_at": at}
            for member, at in reads.items()
        ],
    )
    return number


async def test_staff_and_registered_are_counted_by_group(database: Database) -> None:
    async with database.transaction() as db:
        await people(db)
    async with database.snapshot() as db:
        assert await usage.registered(db, EVERYBODY) == [("", 4, 3)]
        assert await usage.registered(db, DEPARTMENT) == [("総務部", 3, 2), ("福祉部", 1, 1)]
        by_skill = {label: (staff, here) for label, staff, here in await usage.registered(db, "skill")}
        assert by_skill == {"": (1, 0), "低い": (1, 1), "高い": (2, 2)}


async def test_a_member_who_cannot_be_reached_any_more_is_not_registered(database: Database) -> None:
    async with database.transaction() as db:
        await people(db)
        await db.execute(addresses.update().where(addresses.c.address == "d").values(reachable=False))
    async with database.snapshot() as db:
        assert await usage.registered(db, DEPARTMENT) == [("総務部", 3, 2), ("福祉部", 1, 0)]


async def test_active_people_are_counted_once_a_period_whatever_they_did(database: Database) -> None:
    async with database.transaction() as db:
        who = await people(db)
        await notice(db, who["a"], {who["a"]: minutes(1), who["b"]: minutes(60 * 24 * 30), who["c"]: None})
        await notice(db, who["a"], {who["a"]: minutes(2), who["e"]: minutes(3)}, "drill")
        await usage.report_problem(db, who["d"], minutes(5), "通知が来ません")
    periods = [
        Period("7", JULY, JULY + timedelta(days=31)),
        Period("8", JULY + timedelta(days=31), JULY + timedelta(days=62)),
        Period("9", JULY + timedelta(days=62), JULY + timedelta(days=92)),
    ]
    acts = usage.together([notices.reads(), usage.problem_acts()])
    async with database.snapshot() as db:
        assert await usage.active(db, acts, periods, EVERYBODY) == [("", "7", 2), ("", "8", 1)]
        assert await usage.active(db, acts, periods, "skill") == [("高い", "7", 2), ("低い", "8", 1)]
        assert await usage.active(db, notices.reads(), periods, DEPARTMENT) == [("総務部", "7", 1), ("総務部", "8", 1)]
        assert await usage.active(db, acts, [], EVERYBODY) == []
        assert await usage.first_and_last(db, acts) == (minutes(1), minutes(60 * 24 * 30))


async def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(database: Database) -> None:
    async with database.transaction() as db:
        who = await people(db)
        await usage.report_problem(db, who["a"], SENT, "開始")
        await usage.report_problem(db, who["b"], SENT + timedelta(days=1), "終了")
    async with database.snapshot() as db:
        counted = await usage.active(db, usage.problem_acts(), [Period("d", SENT, SENT + timedelta(days=1))], EVERYBODY)
        assert counted == [("", "d", 1)]
        assert await usage.problems(db) == [(SENT, "開始"), (SENT + timedelta(days=1), "終了")]


async def test_waits_are_whole_minutes_rounded_up_and_the_unread_stand_apart(database: Database) -> None:
    async with database.transaction() as db:
        who = await people(db)
        first = await notice(
            db,
            who["a"],
            {
                who["a"]: minutes(1),
                who["b"]: minutes(1.01),
                who["c"]: None,
                who["d"]: minutes(-3),
                who["e"]: minutes(2),
            },
        )
    async with database.snapshot() as db:
        found = [
            (wait.broadcast_id, wait.label, wait.minutes, wait.people) for wait in await notices.waits(db, EVERYBODY)
        ]
        assert found == [(first, "", 0, 1), (first, "", 1, 1), (first, "", 2, 2), (first, "", None, 1)]
        by_department = [(wait.label, wait.minutes, wait.people) for wait in await notices.waits(db, DEPARTMENT)]
        assert by_department == [
            ("総務部", 1, 1),
            ("総務部", 2, 1),
            ("福祉部", 0, 1),
            ("福祉部", 2, 1),
            ("総務部", None, 1),
        ]
        (only,) = await notices.sent(db)
        assert (only.kind, only.recipients, only.read, only.sent_at) == ("notice", 5, 4, SENT)


async def test_a_question_counts_the_latest_answer_and_times_the_first(database: Database) -> None:
    def answer(member: int, first: str, first_at: datetime, latest: str) -> dict[str, object]:
        return {
            "broadcast_id": asking,
            "member_id": member,
            "first_choice": first,
            "first_detail": "",
            "first_at": first_at,
            "first_key": "1",
            "latest_choice": latest,
            "latest_detail": "",
            "latest_at": first_at + timedelta(days=40),
            "latest_key": "2",
        }

    async with database.transaction() as db:
        who = await people(db)
        await notice(db, who["a"], {who["a"]: None})
        asking = await notice(db, who["a"], dict.fromkeys((who["a"], who["b"], who["c"], who["d"])), "emergency")
        await db.execute(broadcasts.update().where(broadcasts.c.id == asking).values(asks="muster", stage=2))
        await db.execute(
            insert(broadcast_answers),
            [
                answer(who["a"], "cannot", minutes(1.5), "come:30"),
                answer(who["b"], "come", minutes(2), "come:30"),
                answer(who["d"], "come", minutes(-1), "cannot"),
            ],
        )
    periods = [Period("then", SENT, SENT + timedelta(days=1)), Period("later", minutes(60), minutes(60 * 24 * 50))]
    async with database.snapshot() as db:
        (found,) = await notices.replies(db)
        assert (found.broadcast_id, found.question.asks, found.question.stage, found.asked) == (asking, "muster", 2, 4)
        assert found.choices == {"cannot": 1, "come:30": 2}
        assert found.minutes == {0: 1, 2: 2}
        counted = await usage.active(db, notices.answers(), periods, EVERYBODY)
        assert counted == [("", "later", 3), ("", "then", 2)]


async def test_drafts_are_no_notices(database: Database) -> None:
    async with database.transaction() as db:
        who = await people(db)
        number = await notice(db, who["a"], {who["a"]: None})
        await db.execute(broadcasts.update().where(broadcasts.c.id == number).values(state="draft", sent_at=None))
    async with database.snapshot() as db:
        assert await notices.sent(db) == []
        assert await notices.waits(db, EVERYBODY) == []


async def test_a_trait_and_a_snapshot_that_come_again_replace_the_old_ones(database: Database) -> None:
    async with database.transaction() as db:
        await people(db)
        assert await usage.note_traits(db, "skill", {"a": "低い"}) == 1
        assert await usage.note_traits(db, "skill", {}) == 0
        await usage.note_snapshot(db, SENT, "chat", {"rooms": 3, "messages": 10})
        await usage.note_snapshot(db, SENT, "chat", {"rooms": 4})
        await usage.note_snapshot(db, SENT, "chat", {})
    async with database.snapshot() as db:
        assert ("低い", 2, 2) in await usage.registered(db, "skill")
        assert await usage.snapshots(db) == [(SENT, "chat", "messages", 10), (SENT, "chat", "rooms", 4)]
        assert await usage.first_and_last(db, usage.problem_acts()) is None


async def test_deliveries_that_were_given_up_are_counted_apart(database: Database) -> None:
    async with database.transaction() as db:
        await db.execute(insert(messages).values(id=1, body="{}", created_at=SENT))
        await db.execute(
            insert(deliveries),
            [
                {
                    "key": f"{place}",
                    "message_id": 1,
                    "adapter": "x",
                    "kind": "person",
                    "address": "a",
                    "action": action,
                    "priority": 1,
                    "state": state,
                    "due_at": SENT,
                    "created_at": SENT,
                }
                for place, (state, action) in enumerate(
                    [("sent", "send"), ("sent", "send"), ("dead", "send"), ("queued", "send"), ("sent", "delete")]
                )
            ],
        )
    async with database.snapshot() as db:
        assert await usage.deliveries_by_outcome(db) == (2, 1)


POLL = """
key = "poll"
title = "問い"
anonymity = "anonymous"
smallest_cell = 1

[[questions]]
key = "used"
kind = "choice"
text = "使いましたか。"
options = ["はい", "いいえ"]
"""


async def test_closed_surveys_show_tables_and_open_anonymous_ones_only_who_took_part(
    database: Database, tmp_path: Path
) -> None:
    poll = parse_definition(POLL)
    async with database.transaction() as db:
        who = await people(db)
        for number, state in ((1, "closed"), (2, "open")):
            await db.execute(
                insert(surveys).values(
                    id=number,
                    key="poll",
                    title="問い",
                    definition=poll.model_dump_json(),
                    anonymity="anonymous",
                    state=state,
                    opened_at=SENT + timedelta(days=number),
                    closes_at=SENT + timedelta(days=number + 7),
                )
            )
            await db.execute(
                insert(survey_participants),
                [
                    {"survey_id": number, "member_id": who[code], "state": done}
                    for code, done in (("a", "finished"), ("b", "invited"), ("d", "finished"))
                ],
            )
        await db.execute(
            insert(survey_sheets),
            [{"id": lot, "survey_id": 1, "body": orjson.dumps({"used": 1}).decode()} for lot in ("l", "m")],
        )
    async with database.snapshot() as db:
        closed, running = await polls.held(db, Vault(tmp_path))
        assert (closed.respondents, running.respondents) == (2, 2)
        assert [(row.label, row.count) for row in closed.tables[0].rows] == [("はい", 2), ("いいえ", 0)]
        assert running.tables == ()
        assert await polls.participation(db, DEPARTMENT) == [
            (1, "総務部", 2, 1),
            (1, "福祉部", 1, 1),
            (2, "総務部", 2, 1),
            (2, "福祉部", 1, 1),
        ]
