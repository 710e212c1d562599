"""A platform goes down in the middle of a notice: everybody else is reached elsewhere, soon, and hardly anybody twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from sqlalchemy import select

from bot.adapter import Capabilities, Delivery, Outcome, Retry, Sent
from bot.audit.tables import audit_log
from bot.directory import HEADQUARTERS, Entry
from bot.storage import Database
from bot.tables import deliveries
from broadcasts.tables import broadcast_recipients
from tests.broadcasts.support import Hall, Platform, city_hall

MINUTE = timedelta(minutes=1)
TOLD = "ほかのチャットにもすでに届いているかもしれません"

Mood = Literal["well", "refuses", "cuts", "acts, then cuts"]


@dataclass
class Moody(Platform):
    """A platform that can refuse connections, or cut them before or after it has acted; and that deletes."""

    mood: Mood = "well"
    gone: set[str] = field(default_factory=set)

    def _send(self, delivery: Delivery) -> Outcome:
        match self.mood:
            case "refuses":
                return Retry("The connection was refused.")
            case "cuts":
                return Retry("The connection was cut.", uncertain=True)
            case "acts, then cuts":
                super()._send(delivery)
                return Retry("The connection was cut.", uncertain=True)
        if delivery.action == "delete":
            assert delivery.message_id is not None
            self.gone.add(delivery.message_id)
            return Sent()
        return super()._send(delivery)

    def texts(self, person: str, reference: str) -> list[str]:
        """What somebody has on their screen of a notice."""
        screen = self.screens.get(person, [])
        return [seen.text for seen in screen if seen.reference == reference and seen.message_id not in self.gone]


def chat_platform(*, rooms: bool) -> Moody:
    return Moody(
        capabilities=Capabilities(
            room_size=4 if rooms else None,
            native_receipts=True,
            buttons=10,
            text_length=500,
            deletes=True,
            idempotent=True,
            concurrency=2,
        )
    )


def line_platform(name: str = "line") -> Moody:
    capabilities = Capabilities(buttons=4, text_length=500, idempotent=True, concurrency=2)
    return Moody(name=name, capabilities=capabilities)


def person(code: str, *platforms: str, hq: bool = False) -> Entry:
    addresses = {name: f"u-{code}" if name == "chat" else f"{name}-{code}" for name in platforms}
    return Entry(
        code=code, name=f"職員{code}", department="総務課", roles=[HEADQUARTERS] if hq else [], addresses=addresses
    )


def people(count: int, *platforms: str) -> list[Entry]:
    """The headquarters' `hq` and others, all with the same platforms in this order."""
    return [person("hq", *platforms, hq=True), *(person(f"{n:03}", *platforms) for n in range(1, count))]


@dataclass
class Scene:
    """A hall with a closed network's chat and a platform on the Internet."""

    hall: Hall
    chat: Moody
    line: Moody

    def copies(self, code: str, number: int) -> list[str]:
        """All that somebody has seen of a notice, on the one platform and then on the other."""
        reference = f"broadcast:{number}"
        return [*self.chat.texts(f"u-{code}", reference), *self.line.texts(f"line-{code}", reference)]

    async def codes(self) -> list[str]:
        return [person.removeprefix("u-") for person in self.chat.screens]


@asynccontextmanager
async def scene_on(database: Database, staff: Sequence[Entry], *, rooms: bool = False) -> AsyncIterator[Scene]:
    chat, line = chat_platform(rooms=rooms), line_platform()
    async with city_hall(database, staff, platform=chat, others=[line]) as hall:
        yield Scene(hall, chat, line)
        chat.mood = line.mood = "well"


CODES = ["hq", *(f"{n:03}" for n in range(1, 12))]


async def test_everybody_gets_the_notice_on_the_internet_within_a_minute(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12
        assert scene.chat.screens == {}
        # Nothing was sent that could have arrived, so nobody is told that it might have.
        assert not any(TOLD in text for code in CODES for text in scene.copies(code, number))


async def test_nothing_comes_again_when_the_platform_is_back(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        scene.chat.mood = "well"
        await scene.hall.advance(10 * MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12
        async with database.snapshot() as db:
            waiting = await db.scalars(select(deliveries.c.id).where(deliveries.c.state == "queued"))
            assert waiting.all() == []


async def test_a_blip_moves_nobody(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(timedelta(seconds=8))
        scene.chat.mood = "well"
        await scene.hall.advance(10 * MINUTE)
        assert scene.line.screens == {}
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12


async def test_a_copy_that_may_be_the_second_says_so_and_no_other(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "acts, then cuts"
        number = await scene.hall.send()
        await scene.hall.advance(timedelta(seconds=5))
        scene.chat.mood = "refuses"
        await scene.hall.advance(MINUTE)
        tried = {person.removeprefix("u-") for person in scene.chat.screens}
        assert 2 <= len(tried) < 12
        for code in CODES:
            *first, last = scene.copies(code, number)
            assert len(first) == (code in tried)
            assert (TOLD in last) == (code in tried)
            assert not any(TOLD in text for text in first)
        scene.chat.mood = "well"
        await scene.hall.advance(10 * MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES] == [1 + (code in tried) for code in CODES]


async def test_who_has_no_other_address_waits_and_gets_it_when_the_platform_is_back(database: Database) -> None:
    staff = [*people(6, "chat", "line"), person("900", "chat")]
    async with scene_on(database, staff) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(5 * MINUTE)
        assert scene.copies("900", number) == []
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        codes = [*CODES[:6], "900"]
        assert [len(scene.copies(code, number)) for code in codes] == [1] * 7
        assert [code for code in codes if scene.chat.texts(f"u-{code}", f"broadcast:{number}")] == ["900"]


async def test_members_of_a_room_are_moved_as_persons_and_the_room_stays_silent(database: Database) -> None:
    staff = [*people(7, "chat", "line"), person("900", "chat")]
    async with scene_on(database, staff, rooms=True) as scene:
        assert len(scene.chat.rooms) == 2
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES[:7]] == [1] * 7
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        codes = [*CODES[:7], "900"]
        assert [len(scene.copies(code, number)) for code in codes] == [1] * 8
        assert scene.chat.screens["u-900"][0].room is None


async def test_a_room_whose_message_may_have_gone_tells_all_its_members(database: Database) -> None:
    staff = [*people(7, "chat", "line"), person("900", "chat")]
    async with scene_on(database, staff, rooms=True) as scene:
        scene.chat.mood = "acts, then cuts"
        number = await scene.hall.send()
        await scene.hall.advance(timedelta(seconds=5))
        scene.chat.mood = "refuses"
        await scene.hall.advance(MINUTE)
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        for code in [*CODES[:7], "900"]:
            first, last = scene.copies(code, number)
            assert TOLD not in first
            assert TOLD in last


async def test_a_house_with_one_platform_waits_as_ever(database: Database) -> None:
    async with scene_on(database, people(7, "chat"), rooms=True) as scene:
        scene.chat.mood = "acts, then cuts"
        number = await scene.hall.send()
        await scene.hall.advance(2 * MINUTE)
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES[:7]] == [1] * 7
        assert scene.line.screens == {}
        async with database.snapshot() as db:
            routes = await db.execute(select(broadcast_recipients.c.room_id, broadcast_recipients.c.instead_of))
            assert all(row.room_id is not None and row.instead_of is None for row in routes)
        actions = [row.action for row in await _audit(database)]
        assert "broadcast.moved" not in actions


async def test_a_notice_that_is_sent_while_a_platform_is_down_is_moved_after_one_probe(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        await scene.hall.send("一つめ")
        await scene.hall.advance(MINUTE)
        number = await scene.hall.send("二つめ")
        await scene.hall.advance(timedelta(seconds=15))
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12


async def test_a_notice_that_is_sent_after_the_platform_came_back_unseen_goes_by_it(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        await scene.hall.send("一つめ")
        await scene.hall.advance(MINUTE)
        scene.chat.mood = "well"
        number = await scene.hall.send("二つめ")
        await scene.hall.advance(MINUTE)
        assert all(len(scene.chat.texts(f"u-{code}", f"broadcast:{number}")) == 1 for code in CODES)
        assert not any(scene.line.texts(f"line-{code}", f"broadcast:{number}") for code in CODES)


async def test_if_all_platforms_are_down_the_first_that_is_back_gets_it(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = scene.line.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(5 * MINUTE)
        assert all(scene.copies(code, number) == [] for code in CODES)
        scene.line.mood = "well"
        await scene.hall.advance(10 * MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12


async def _audit(database: Database) -> Sequence[object]:
    async with database.snapshot() as db:
        return (await db.execute(select(audit_log))).all()
