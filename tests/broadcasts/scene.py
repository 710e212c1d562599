"""A hall with platforms that fail, refuse and die, for what reaches people elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from sqlalchemy import select

from bot.activity import Activity
from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.audit.tables import audit_log
from bot.directory import HEADQUARTERS, Entry
from bot.outbox import Outbox
from bot.storage import Database
from broadcasts.service import Broadcasts
from tests.broadcasts.support import Hall, Platform, city_hall

MINUTE = timedelta(minutes=1)
TOLD = "ほかのチャットにもすでに届いているかもしれません"

CODES = ["hq", *(f"{n:03}" for n in range(1, 12))]

Mood = Literal["well", "refuses", "cuts", "acts, then cuts", "acts, then we die", "forbids", "knows nobody"]


@dataclass
class Moody(Platform):
    """A platform that can refuse connections, or cut them before or after it has acted; and that deletes.

    It can decline what everybody is sent, or what is sent to some: people who have gone, rooms that have.
    """

    mood: Mood = "well"
    nobody: set[str] = field(default_factory=set)
    """Addresses of people and rooms that are gone."""
    offended: set[str] = field(default_factory=set)
    """Addresses to which everything is declined without a reason."""
    tries: list[str] = field(default_factory=list)
    """Every address that something was sent to, taken or not."""
    gone: set[str] = field(default_factory=set)
    history: dict[str, list[str]] = field(default_factory=dict)
    """Who has seen what of a notice, in the order in which it came, over all platforms that share it."""

    def _send(self, delivery: Delivery) -> Outcome:
        self.tries.append(delivery.address.id)
        match self.mood:
            case "forbids":
                return Rejected("The token may not send.")
            case "knows nobody":
                return Rejected("There is nothing here.", gone=True)
            case "refuses":
                return Retry("The connection was refused.")
            case "cuts":
                return Retry("The connection was cut.", uncertain=True)
            case "acts, then cuts":
                self._show(delivery)
                return Retry("The connection was cut.", uncertain=True)
            case "acts, then we die":
                self._show(delivery)
                raise asyncio.CancelledError
        if delivery.address.id in self.nobody:
            return Rejected("There is nobody of this name.", gone=True)
        if delivery.address.id in self.offended:
            return Rejected("No.")
        if delivery.action == "delete":
            assert delivery.message_id is not None
            self.gone.add(delivery.message_id)
            return Sent()
        return self._show(delivery)

    def _show(self, delivery: Delivery) -> Outcome:
        new = delivery.key not in self.answers
        outcome = super()._send(delivery)
        if new:
            to_room = delivery.address.kind == "room"
            for name in self.rooms[delivery.address.id] if to_room else [delivery.address.id]:
                seen = f"{name.rpartition('-')[2]} {delivery.message.reference}"
                self.history.setdefault(seen, []).append(delivery.message.text)
        return outcome

    async def room_members(self, room: str) -> Sequence[str]:
        if room in self.nobody:
            raise ValueError("There is no such room.")
        return await super().room_members(room)

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


def mailed(entry: Entry) -> Entry:
    """The same person, with an e-mail address."""
    return replace(entry, email=f"{entry.code}@example.lg.jp")


def mail_platform() -> Moody:
    return Moody(name="mail", capabilities=Capabilities(text_length=100_000))


def people(count: int, *platforms: str) -> list[Entry]:
    """The headquarters' `hq` and others, all with the same platforms in this order."""
    return [person("hq", *platforms, hq=True), *(person(f"{n:03}", *platforms) for n in range(1, count))]


@dataclass
class Scene:
    """A hall with a closed network's chat and a platform on the Internet."""

    hall: Hall
    chat: Moody
    line: Moody
    mail: Moody | None = None

    def copies(self, code: str, number: int) -> list[str]:
        """All that somebody has seen of a notice, on the one platform and then on the other, and by e-mail."""
        reference = f"broadcast:{number}"
        mailed = [] if self.mail is None else self.mail.texts(f"{code}@example.lg.jp", reference)
        return [*self.chat.texts(f"u-{code}", reference), *self.line.texts(f"line-{code}", reference), *mailed]

    def counts(self, codes: Sequence[str], number: int) -> list[int]:
        """How many copies of a notice each has."""
        return [len(self.copies(code, number)) for code in codes]


@asynccontextmanager
async def scene_on(
    database: Database,
    staff: Sequence[Entry],
    *,
    rooms: bool = False,
    others: Sequence[Moody] = (),
    mail: Moody | None = None,
) -> AsyncIterator[Scene]:
    """`others` are platforms beside the two, `mail` sends e-mail."""
    chat, line = chat_platform(rooms=rooms), line_platform()
    async with city_hall(database, staff, platform=chat, others=[line, *others], mail=mail) as hall:
        yield Scene(hall, chat, line, mail)
        chat.mood = line.mood = "well"


@asynccontextmanager
async def second_process(scene: Scene, *, sends: bool = True) -> AsyncIterator[tuple[Outbox, Broadcasts]]:
    """Another process on the same database and the same platforms; its outbox rests unless it `sends`."""
    hall, platforms = scene.hall, {"chat": scene.chat, "line": scene.line}
    outbox = Outbox(hall.database, platforms, hall.clock, hall.activity, poll=timedelta(seconds=5))
    broadcasts = Broadcasts(hall.database, outbox, platforms, hall.clock, hall.activity, hall.broadcasts.texts)
    if sends:
        await outbox.start()
    await broadcasts.start()
    try:
        yield outbox, broadcasts
    finally:
        await broadcasts.stop()
        if sends:
            await outbox.stop()


async def recall(scene: Scene, number: int) -> None:
    hall = scene.hall
    chief = await hall.member("hq")
    async with hall.database.transaction() as db:
        await hall.broadcasts.recalls.recall(db, await hall.broadcasts.notice(db, number), chief)
    await hall.quiet()


async def die_and_rise(hall: Hall) -> None:
    """The process ends where it stands; another one begins with what is in the database."""
    for task in hall.outbox._tasks:
        task.cancel()
    await asyncio.gather(*hall.outbox._tasks, return_exceptions=True)
    await hall.broadcasts.stop()
    hall.activity = Activity()
    platforms = hall.outbox._adapters
    hall.outbox = Outbox(hall.database, platforms, hall.clock, hall.activity)
    hall.broadcasts = Broadcasts(
        hall.database, hall.outbox, platforms, hall.clock, hall.activity, hall.broadcasts.texts
    )
    await hall.outbox.start()
    await hall.broadcasts.start()
    await hall.quiet()


async def audited(database: Database) -> Sequence[str]:
    async with database.snapshot() as db:
        return (await db.scalars(select(audit_log.c.action))).all()
