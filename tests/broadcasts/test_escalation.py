"""The ladder: another chat, e-mail, a call list; those who are silent climb it, the others never notice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from bot import directory
from bot.activity import Activity
from bot.adapter import Capabilities
from bot.audit.tables import audit_log
from bot.clock import TOKYO, ManualClock
from bot.directory import HEADQUARTERS, LIAISON, Entry
from bot.errors import ConfigurationError
from bot.messages import Attachment, Message, Priority
from bot.outbox import Outbox
from bot.storage import Database
from bot.tables import deliveries, departments, member_roles, members
from bot.testing.platform import FakePlatform, SentMessage
from bot.texts import Texts
from broadcasts.escalation import Escalation, Ladder, Rung, RungStanding, broadcast_rungs, checked
from broadcasts.escalation.silent import Silent
from broadcasts.escalation.wording import LISTED, EscalationWording
from broadcasts.kinds import Kind
from broadcasts.questions import Question
from broadcasts.reminders import ReminderPolicy
from broadcasts.service import Broadcasts, BroadcastSettings
from broadcasts.tables import broadcast_answers, broadcast_recipients, broadcasts

NIGHT = datetime(2023, 10, 2, 2, 10, tzinfo=TOKYO)
MINUTE = timedelta(minutes=1)
LADDER = (Rung("chat", 10 * MINUTE), Rung("mail", 20 * MINUTE), Rung("liaison", 30 * MINUTE))
PAIRS = Capabilities(native_receipts=True, buttons=10, idempotent=True)


@dataclass
class City:
    """Two chats and e-mail, all in memory, and the ladder over them."""

    database: Database
    clock: ManualClock
    chat: FakePlatform
    other: FakePlatform
    mail: FakePlatform
    activity: Activity = field(default_factory=Activity)
    broadcasts: Broadcasts = field(init=False)
    escalation: Escalation = field(init=False)

    @asynccontextmanager
    async def running(self, ladders: dict[Kind, Ladder], *, mail: str | None = "mail") -> AsyncIterator[None]:
        """One life of the process."""
        chats = {"chat": self.chat, "other": self.other}
        outbox = Outbox(self.database, {**chats, "mail": self.mail}, self.clock, self.activity, poll=timedelta(hours=6))
        texts = Texts("broadcasts")
        still = BroadcastSettings(reminders=ReminderPolicy(at_most=0))
        parts = (self.database, outbox, chats, self.clock, self.activity, texts)
        self.broadcasts = Broadcasts(*parts, still)
        self.escalation = Escalation(*parts, ladders, mail=self.mail if mail else None)
        self.broadcasts.on_release(self.escalation.plan)
        await outbox.start()
        await self.broadcasts.start()
        await self.escalation.start()
        try:
            await self.activity.idle()
            yield
        finally:
            await self.escalation.stop()
            await self.broadcasts.stop()
            await outbox.stop()

    async def send(
        self,
        kind: Kind = "emergency",
        text: str = "堤防が切れました。",
        question: Question | None = None,
        attachments: tuple[Attachment, ...] = (),
    ) -> int:
        async with self.database.transaction() as db:
            chief = await directory.member_by_code(db, "hq")
            assert chief is not None
            number = await self.broadcasts.draft(db, chief, text, kind=kind, question=question, attachments=attachments)
        await self.activity.idle()
        async with self.database.transaction() as db:
            seen = await self.broadcasts.preview(db, number)
            confirmation = await self.broadcasts.confirm(db, number, chief, seen.fingerprint, warned=True)
        assert confirmation.outcome == "sent"
        await self.activity.idle()
        return number

    async def advance(self, duration: timedelta) -> None:
        end = self.clock.now() + duration
        await self.activity.idle()
        while (due := self.clock.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            await self.activity.idle()
        self.clock.advance_to(end)
        await self.activity.idle()

    async def read(self, number: int, *codes: str) -> None:
        ids = select(members.c.id).where(members.c.code.in_(codes))
        here = (broadcast_recipients.c.broadcast_id == number, broadcast_recipients.c.member_id.in_(ids))
        async with self.database.transaction() as db:
            await db.execute(update(broadcast_recipients).where(*here).values(read_at=self.clock.now()))

    async def rungs(self, number: int) -> list[tuple[str, int | None, int | None]]:
        return [(each.way, each.silent, each.reached) for each in await self.escalation.standing(number)]


def entry(code: str, department: str, *others: str, mail: str | None = None, roles: Sequence[str] = ()) -> Entry:
    places = {name: f"{name}-{code}" for name in ("chat", *others)}
    return Entry(code, f"職員{code}", department, email=mail, roles=roles, addresses=places)


PEOPLE = [
    entry("hq", "総務課", roles=[HEADQUARTERS]),
    entry("a", "河川係", "other", "phone", mail="a@city.example.lg.jp"),
    entry("b", "河川係", mail="b@city.example.lg.jp"),
    entry("c", "道路係", "other"),
    entry("chief", "土木部", roles=[LIAISON]),
    entry("lead", "河川係", roles=[LIAISON]),
]


@pytest.fixture
async def city(database: Database) -> City:
    clock = ManualClock(NIGHT)
    platforms = [FakePlatform(clock, name=name, capabilities=PAIRS) for name in ("chat", "other", "mail")]
    async with database.transaction() as db:
        await directory.save(db, PEOPLE)
        above = select(departments.c.id).where(departments.c.name == "土木部").scalar_subquery()
        below = departments.c.name.in_(("河川係", "道路係"))
        await db.execute(update(departments).where(below).values(parent_id=above))
    return City(database, clock, platforms[0], platforms[1], platforms[2])


def texts_to(platform: FakePlatform, *addresses: str) -> list[str]:
    return [message.text for message in platform.sent if message.address.id in addresses]


def climbed(platform: FakePlatform) -> list[SentMessage]:
    return [message for message in platform.sent if (message.reference or "").startswith("escalation:")]


def to(messages: list[SentMessage]) -> list[str]:
    return sorted(message.address.id for message in messages)


async def test_who_stays_silent_is_tried_by_another_chat_by_mail_and_by_telephone(city: City) -> None:
    async with city.running({"emergency": LADDER}):
        number = await city.send()
        await city.read(number, "hq", "chief", "lead")
        await city.advance(9 * MINUTE)
        assert climbed(city.other) == []
        await city.advance(MINUTE)
        assert to(climbed(city.other)) == ["other-a", "other-c"]
        assert climbed(city.other)[0].text.startswith("【緊急】\n堤防が切れました。")
        assert await city.rungs(number) == [("chat", 3, 2), ("mail", None, None), ("liaison", None, None)]

        await city.read(number, "c")
        await city.advance(10 * MINUTE)
        assert to(city.mail.sent) == ["a@city.example.lg.jp", "b@city.example.lg.jp"]
        assert city.mail.sent[0].buttons == ()

        await city.read(number, "b")
        await city.advance(10 * MINUTE)
        [calls] = [message for message in climbed(city.chat) if message.address.id == "chat-lead"]
        assert "職員a（a）phone-a" in calls.text
        assert "職員b" not in calls.text
        assert [message for message in climbed(city.chat) if message.address.id == "chat-chief"] == []
        assert await city.rungs(number) == [("chat", 3, 2), ("mail", 2, 2), ("liaison", 1, 1)]

        reports = [message.text for message in climbed(city.chat) if message.address.id == "chat-hq"]
        assert len(reports) == 3
        assert "3人のうち 2人に、ほかのチャット" in reports[0]
        assert "1人のうち 1人の電話連絡" in reports[2]
        async with city.database.snapshot() as db:
            actions = (
                await db.execute(
                    select(audit_log.c.actor, audit_log.c.details).where(audit_log.c.action == "broadcast.escalated")
                )
            ).all()
        assert len(actions) == 3
        assert actions[0].actor == "kairanban"
        assert '"reached":2' in actions[0].details
        before = len(climbed(city.chat)), len(climbed(city.other)), len(city.mail.sent)
        await city.advance(40 * MINUTE)
        assert (len(climbed(city.chat)), len(climbed(city.other)), len(city.mail.sent)) == before


async def test_it_stops_quietly_once_everybody_has_read_or_answered(city: City) -> None:
    async with city.running({"emergency": LADDER}):
        number = await city.send()
        await city.read(number, "hq", "chief", "lead", "a", "b")
        async with city.database.transaction() as db:
            [member] = await db.scalars(select(members.c.id).where(members.c.code == "c"))
            answer = {f"{which}_{name}": "x" for which in ("first", "latest") for name in ("choice", "detail", "key")}
            moments = {"first_at": city.clock.now(), "latest_at": city.clock.now()}
            await db.execute(
                insert(broadcast_answers).values(broadcast_id=number, member_id=member, **answer, **moments)
            )
        await city.advance(35 * MINUTE)
        assert climbed(city.chat) + climbed(city.other) + city.mail.sent == []
        assert await city.rungs(number) == [("chat", 0, 0), ("mail", 0, 0), ("liaison", 0, 0)]


async def test_what_came_due_while_nobody_was_there_is_climbed_after_the_restart_once(city: City) -> None:
    async with city.running({"emergency": LADDER}):
        number = await city.send()
        await city.read(number, "hq", "chief", "lead")
    city.clock.advance(25 * MINUTE)
    for _ in range(2):
        async with city.running({"emergency": LADDER}):
            assert to(climbed(city.other)) == ["other-a", "other-c"]
            assert to(city.mail.sent) == ["a@city.example.lg.jp", "b@city.example.lg.jp"]
    async with city.database.snapshot() as db:
        keys = set(await db.scalars(select(deliveries.c.key).where(deliveries.c.topic == f"escalation:{number}:2")))
        token = await db.scalar(select(broadcasts.c.token))
    assert any(key.startswith(f"{token}:rung:2:") for key in keys)


async def test_a_drill_never_leaves_the_chat(city: City) -> None:
    with pytest.raises(ConfigurationError, match="drill never leaves the chat"):
        checked("drill", LADDER)
    async with city.running({"drill": LADDER[:1]}):
        number = await city.send("drill", "地震です。")
        async with city.database.transaction() as db:  # even if somebody had put them there
            rows = [
                {"broadcast_id": number, "number": 2 + each, "way": way, "due_at": city.clock.now() + 20 * MINUTE}
                for each, way in enumerate(("mail", "liaison"))
            ]
            await db.execute(insert(broadcast_rungs), rows)
        await city.advance(35 * MINUTE)
        assert city.mail.sent == []
        assert all(message.text.startswith("【訓練】") for message in climbed(city.other))
        assert to(climbed(city.other)) == ["other-a", "other-c"]
        assert to(climbed(city.chat)) == ["chat-hq"]  # the author's report
        assert climbed(city.chat)[0].text.startswith("【訓練】")
        assert (await city.rungs(number))[1:] == [("mail", 0, 0), ("liaison", 0, 0)]


async def test_a_recalled_notice_climbs_no_further(city: City) -> None:
    async with city.running({"emergency": LADDER}):
        number = await city.send()
        async with city.database.transaction() as db:
            await db.execute(update(broadcasts).values(state="recalled"))
        await city.advance(35 * MINUTE)
        assert climbed(city.other) + city.mail.sent == []
        assert await city.rungs(number) == [("chat", 0, 0), ("mail", 0, 0), ("liaison", 0, 0)]


async def test_a_report_names_the_references_of_the_rungs_that_were_climbed(city: City) -> None:
    ladder = (Rung("chat", MINUTE), Rung("mail", 2 * MINUTE), Rung("liaison", timedelta(hours=5)))
    async with city.running({"emergency": ladder, "notice": ladder}):
        number = await city.send()
        await city.advance(3 * MINUTE)
        (summary,) = await city.broadcasts.summaries()
        assert summary["topics"][-2:] == [f"escalation:{number}:1", f"escalation:{number}:2"]
        sent = {message.reference for platform in (city.chat, city.other, city.mail) for message in platform.sent}
        assert sent <= set(summary["topics"])


async def test_an_emergency_overtakes_on_every_rung_and_a_notice_does_not(city: City) -> None:
    ladder = (Rung("chat", MINUTE), Rung("mail", 2 * MINUTE))
    async with city.running({"emergency": ladder, "notice": ladder}):
        emergency = await city.send()
        notice = await city.send("notice", "会議は中止です。")
        await city.advance(3 * MINUTE)
    async with city.database.snapshot() as db:
        for number, priority in ((emergency, Priority.EMERGENCY), (notice, Priority.REMINDER)):
            topics = [f"escalation:{number}:{rung}" for rung in (1, 2)]
            found = select(deliveries.c.priority).where(deliveries.c.topic.in_(topics), deliveries.c.adapter != "chat")
            assert set(await db.scalars(found)) == {int(priority)}


async def test_a_kind_without_a_ladder_and_a_house_without_mail_climb_nothing(city: City) -> None:
    async with city.running({"emergency": LADDER[1:2]}, mail=None):
        assert await city.rungs(await city.send("notice", "会議は中止です。")) == []
        number = await city.send()
        await city.advance(35 * MINUTE)
        assert city.mail.sent == []
        assert await city.rungs(number) == [("mail", 6, 0)]


async def test_a_second_chat_rung_takes_the_platform_after_the_first(city: City) -> None:
    async with city.running({"emergency": (Rung("chat", MINUTE), Rung("chat", 2 * MINUTE))}):
        number = await city.send()
        await city.advance(5 * MINUTE)
        assert await city.rungs(number) == [("chat", 6, 2), ("chat", 6, 0)]
        assert to(climbed(city.other)) == ["other-a", "other-c"]


async def test_the_question_and_its_buttons_come_along_in_chat(city: City) -> None:
    async with city.running({"emergency": LADDER[:2]}):
        await city.send(question=Question(asks="safety"))
        await city.advance(35 * MINUTE)
        assert all(message.buttons for message in climbed(city.other))
        assert not any(message.buttons for message in city.mail.sent)


async def test_a_limited_liaison_serves_the_subtree_and_one_without_any_is_counted(city: City) -> None:
    async with city.database.transaction() as db:
        ids = {row.code: row.id for row in await db.execute(select(members.c.code, members.c.id))}
        await db.execute(member_roles.delete().where(member_roles.c.role == LIAISON))
        place = select(departments.c.id).where(departments.c.name == "土木部").scalar_subquery()
        await db.execute(insert(member_roles).values(member_id=ids["hq"], role=LIAISON, department_id=place))
    async with city.running({"emergency": (Rung("liaison", MINUTE),)}):
        number = await city.send()
        await city.advance(2 * MINUTE)
        lists = [text for text in texts_to(city.chat, "chat-hq") if "電話で伝えて" in text]
        assert len(lists) == 1
        assert "■ 河川係" in lists[0]
        assert "■ 道路係" in lists[0]
        assert "職員hq" not in lists[0]
        assert await city.rungs(number) == [("liaison", 6, 5)]


async def test_a_failure_is_tried_again(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    async with city.running({"emergency": LADDER[:1]}):
        with monkeypatch.context() as broken:
            broken.setattr("broadcasts.escalation.silent.count", lambda db, number: 1 / 0)
            number = await city.send()
            await city.advance(10 * MINUTE)
            assert await city.rungs(number) == [("chat", None, None)]
        await city.advance(2 * MINUTE)
        assert await city.rungs(number) == [("chat", 6, 2)]


@pytest.mark.parametrize(
    ("ladder", "reason"),
    [((Rung("chat", timedelta(0)),), "longer than nothing"), ((LADDER[1], LADDER[0]), "later than the one before")],
)
def test_a_ladder_goes_upwards(ladder: Ladder, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        checked("emergency", ladder)


def test_a_call_list_has_an_end_and_says_so() -> None:
    people = [Silent(each, f"{each:04}", f"職員{each}", "主任", 1, "河川係", None) for each in range(LISTED + 7)]
    wording = EscalationWording(Texts("broadcasts"))
    message: Message = wording.call_list(12, 3, "emergency", "堤防が切れました。\n逃げて。", people)
    assert message.text.count("電話番号は登録されていません") == LISTED
    assert "ほかに 7人" in message.text
    assert message.text.startswith("【緊急】")
    assert message.reference == "escalation:12:3"
    standing = RungStanding(1, "chat", NIGHT, None, None, None)
    assert standing.climbed_at is None
