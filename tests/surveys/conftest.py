"""A city hall of a few people, a clock that stands still, and a survey service on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import directory
from bot.activity import Activity
from bot.clock import TOKYO, ManualClock
from bot.errors import Refused
from bot.messages import Message
from bot.outbox import Outbox
from bot.storage import Database
from bot.tables import deliveries, departments, members, messages
from bot.testing import FakePlatform
from bot.texts import Texts
from surveys.announcing import Audience
from surveys.definition import Definition
from surveys.loading import parse_definition
from surveys.results import Opened, Results
from surveys.service import Settings, Surveys
from surveys.vault import Vault

POLL = """
key = "poll"
title = "試行アンケート"
intro = "お聞かせください。"
anonymity = "{anonymity}"
smallest_cell = {smallest}

[[questions]]
key = "used"
kind = "choice"
text = "使いましたか。"
options = ["毎日", "ときどき", "使わない", {{ label = "その他", other = true }}]

[[questions]]
key = "why"
kind = "multiple"
text = "使わない理由は。"
options = ["忙しい", "難しい", "要らない", {{ label = "特にない", exclusive = true }}]
when = {{ question = "used", answers = ["使わない"] }}

[[questions]]
key = "feel"
kind = "scale"
text = "使い心地は。"
high_label = "良い"

[[questions]]
key = "comment"
kind = "text"
text = "ご意見を。"
required = false
max_length = 100
"""


def poll(anonymity: str = "anonymous", smallest: int = 1) -> Definition:
    return parse_definition(POLL.format(anonymity=anonymity, smallest=smallest))


async def by_department(db: AsyncConnection, names: Sequence[str]) -> Audience:
    """Names mean departments here; what else they may mean is for those who wire it."""
    found = select(members.c.id).join(departments).where(departments.c.name.in_(names))
    if not (await db.execute(found)).all():
        raise Refused("survey.manage.no_audience")
    return found


@dataclass
class Hall:
    """The service with its surroundings, and short ways to talk to it as a member of staff."""

    database: Database
    clock: ManualClock
    activity: Activity
    vault: Vault
    surveys: Surveys
    ids: dict[str, int]

    async def open(self, definition: Definition, **options: object) -> Opened:
        async with self.database.transaction() as db:
            return await self.surveys.open(db, definition, **options)  # type: ignore[arg-type] # keywords pass through

    async def start(self, name: str, survey_id: int | None = None) -> Message:
        async with self.database.transaction() as db:
            return await self.surveys.conversation.start(db, self.ids[name], survey_id)

    async def say(self, name: str, text: str) -> Message | None:
        async with self.database.transaction() as db:
            return await self.surveys.conversation.hear(db, self.ids[name], text)

    async def press(self, name: str, message: Message, label: str) -> Message:
        data = next(button.data for button in message.buttons if button.label == label)
        async with self.database.transaction() as db:
            return await self.surveys.conversation.press(db, self.ids[name], data.removeprefix("survey:"))

    async def answer(self, name: str, survey_id: int, *texts: str) -> Message | None:
        """Begin (again) and type one answer after the other."""
        reply: Message | None = await self.start(name, survey_id)
        for text in texts:
            reply = await self.say(name, text)
        return reply

    async def close(self, survey_id: int) -> Results:
        async with self.database.transaction() as db:
            return await self.surveys.close(db, survey_id)

    async def queued(self, topic: str) -> list[tuple[str, Message]]:
        async with self.database.snapshot() as db:
            rows = await db.execute(
                select(deliveries.c.address, messages.c.body)
                .join(messages, messages.c.id == deliveries.c.message_id)
                .where(deliveries.c.topic == topic)
                .order_by(deliveries.c.id)
            )
            return [(address, Message.model_validate_json(body)) for address, body in rows]


NAMES = ("alice", "bob", "carol", "dave", "erin", "frank")


@pytest.fixture
async def hall(database: Database, tmp_path: Path) -> AsyncIterator[Hall]:
    async with open_hall(database, tmp_path / "keys") as opened:
        yield opened


@asynccontextmanager
async def open_hall(database: Database, keys: Path) -> AsyncIterator[Hall]:
    """The hall on an empty database."""
    clock = ManualClock(datetime(2023, 7, 3, 9, 0, tzinfo=TOKYO))
    activity = Activity()
    async with database.transaction() as db:
        await directory.save(
            db,
            [
                directory.Entry(code=name, name=name, department="総務部", addresses={"fake": f"u-{name}"})
                for name in NAMES
            ],
        )
        ids = {row.code: row.id for row in await db.execute(select(members.c.code, members.c.id))}
    vault = Vault(keys)
    surveys = Surveys(
        database,
        Outbox(
            database,
            {name: FakePlatform(clock, name) for name in ("fake", "line")},
            clock,
            activity,
            poll=timedelta(days=1),
        ),
        clock,
        activity,
        Texts("surveys"),
        vault=vault,
        resolve=by_department,
        settings=Settings(reminders=2),
    )
    yield Hall(database, clock, activity, vault, surveys, ids)
    await surveys.stop()
