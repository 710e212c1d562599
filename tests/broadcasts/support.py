"""A small city hall: a real database and outbox, a platform in memory that shows what its members see."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot import directory
from bot.activity import Activity
from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.clock import TOKYO, ManualClock
from bot.directory import HEADQUARTERS, Entry, Member
from bot.events import Event, MessageRead
from bot.outbox import Outbox
from bot.storage import Database
from bot.texts import Texts
from broadcasts.service import Broadcasts, BroadcastSettings

START = datetime(2023, 10, 2, 9, tzinfo=TOKYO)


@dataclass(frozen=True, slots=True)
class Seen:
    """A message on somebody's screen."""

    message_id: str
    text: str
    reference: str | None
    room: str | None


@dataclass
class Platform:
    """A chat platform in memory: rooms with a limit, earlier messages hidden from those who join, idempotent."""

    name: str = "chat"
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(
            room_size=4, native_receipts=True, buttons=10, text_length=500, idempotent=True
        )
    )
    rooms: dict[str, list[str]] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    screens: dict[str, list[Seen]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    down: bool = False
    unwanted: set[str] = field(default_factory=set)
    deliveries: list[Delivery] = field(default_factory=list)
    largest: int = 0

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return True

    def parse(self, body: bytes) -> Sequence[Event]:
        return ()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        return [self._send(delivery) for delivery in batch]

    def _send(self, delivery: Delivery) -> Outcome:
        if self.down:
            return Retry("The platform is down.")
        if delivery.address.kind == "room":
            people = self.rooms[delivery.address.id]
            room: str | None = delivery.address.id
        else:
            people, room = [delivery.address.id], None
        if delivery.address.id in self.unwanted:
            return Rejected("Nobody here of that name.")
        if delivery.key not in self.answers:
            self.answers[delivery.key] = f"m{len(self.answers) + 1}"
            self.deliveries.append(delivery)
            for person in people:
                self.screens.setdefault(person, []).append(
                    Seen(self.answers[delivery.key], delivery.message.text, delivery.message.reference, room)
                )
        return Sent(self.answers[delivery.key])

    async def create_room(self, title: str, members: Sequence[str], *, key: str) -> str:
        self._answer()
        if key not in self.made:
            self.made[key] = f"room-{len(self.made) + 1}"
            self.rooms[self.made[key]] = list(members)
        return self.made[key]

    async def add_to_room(self, room: str, members: Sequence[str]) -> None:
        self._answer()
        if self.unwanted & set(members):
            raise ValueError("There is somebody among them who does not exist.")
        together = list(dict.fromkeys([*self.rooms[room], *members]))
        assert self.capabilities.room_size is not None
        if len(together) > self.capabilities.room_size:
            raise ValueError(f"A room holds {self.capabilities.room_size} members.")
        self.rooms[room] = together
        self.largest = max(self.largest, len(together))

    async def remove_from_room(self, room: str, members: Sequence[str]) -> None:
        self._answer()
        self.rooms[room] = [each for each in self.rooms[room] if each not in members]

    async def room_members(self, room: str) -> Sequence[str]:
        self._answer()
        return list(self.rooms[room])

    def _answer(self) -> None:
        if self.down:
            raise ConnectionError("The platform is down.")

    def copies(self, reference: str) -> dict[str, int]:
        """How many messages of a reference each person has on their screen."""
        counts = {
            person: sum(seen.reference == reference for seen in screen) for person, screen in self.screens.items()
        }
        return {person: count for person, count in counts.items() if count}


@dataclass
class Hall:
    """The service, everything below it, and time."""

    database: Database
    clock: ManualClock
    activity: Activity
    outbox: Outbox
    platform: Platform
    broadcasts: Broadcasts
    keys: itertools.count[int] = field(default_factory=itertools.count)

    async def quiet(self) -> None:
        await self.activity.idle()

    async def advance(self, duration: timedelta) -> None:
        """Let time pass, everything happening at its moment."""
        target = self.clock.now() + duration
        await self.quiet()
        while (due := self.clock.next_due()) is not None and due <= target:
            self.clock.advance_to(due)
            await self.quiet()
        self.clock.advance_to(target)
        await self.quiet()

    async def member(self, code: str) -> Member:
        async with self.database.snapshot() as db:
            found = await directory.member_by_code(db, code)
        assert found is not None
        return found

    async def hire(self, *people: Entry) -> None:
        async with self.database.transaction() as db:
            await directory.save(db, people)
        self.broadcasts.roster_changed()
        await self.quiet()

    async def read(self, code: str, *, reference: str, at: datetime | None = None) -> None:
        """Somebody opens the latest message of a reference."""
        seen = next(each for each in reversed(self.platform.screens[f"u-{code}"]) if each.reference == reference)
        await self.reads(self.read_event(code, seen.message_id, at))

    def read_event(self, code: str, message_id: str, at: datetime | None = None) -> MessageRead:
        return MessageRead(
            adapter=self.platform.name,
            key=f"read-{next(self.keys)}",
            conversation="anywhere",
            occurred_at=at or self.clock.now(),
            reader=f"u-{code}",
            message_id=message_id,
        )

    async def reads(self, *events: MessageRead) -> None:
        async with self.database.transaction() as db:
            await self.broadcasts.record_reads(db, events)

    async def send(self, text: str = "本日の会議は中止です。", **options: object) -> int:
        """Draft, look and confirm as the headquarters."""
        chief = await self.member("hq")
        async with self.database.transaction() as db:
            number = await self.broadcasts.draft(db, chief, text, **options)  # type: ignore[arg-type] # as draft's own
        await self.quiet()
        async with self.database.transaction() as db:
            seen = await self.broadcasts.preview(db, number)
            confirmation = await self.broadcasts.confirm(db, number, chief, seen.fingerprint, repeats=number)
        assert confirmation.outcome == "sent"
        return number


def entry(code: str, department: str, *, roles: Sequence[str] = (), reachable: bool = True) -> Entry:
    """A member who can be reached on the platform as `u-<code>`."""
    return Entry(
        code=code,
        name=f"職員{code}",
        department=department,
        roles=roles,
        addresses={"chat": f"u-{code}"} if reachable else {},
    )


def staff(count: int) -> list[Entry]:
    """The headquarters' officer `hq` and `count - 1` others, in turn in three departments."""
    names = ("総務課", "税務課", "土木課")
    others = [entry(f"{number:03}", names[number % 3]) for number in range(1, count)]
    return [entry("hq", "総務課", roles=[HEADQUARTERS]), *others]


@asynccontextmanager
async def city_hall(
    database: Database,
    people: Sequence[Entry],
    *,
    platform: Platform | None = None,
    others: Sequence[Platform] = (),
    settings: BroadcastSettings | None = None,
    clock: ManualClock | None = None,
    mail: Platform | None = None,
) -> AsyncIterator[Hall]:
    """A running hall whose rooms are ready; `others` are platforms beside the first, `mail` sends e-mail."""
    platform = platform or Platform()
    clock = clock or ManualClock(START)
    activity = Activity()
    async with database.transaction() as db:
        await directory.save(db, people)
    # In virtual time every look counts: an hour of looking each second would be 3,600 of them.
    platforms = {each.name: each for each in (platform, *others)}
    everything = platforms if mail is None else {**platforms, mail.name: mail}
    outbox = Outbox(database, everything, clock, activity, poll=timedelta(hours=6))
    broadcasts = Broadcasts(database, outbox, platforms, clock, activity, Texts("broadcasts"), settings, mail=mail)
    await outbox.start()
    await broadcasts.start()
    hall = Hall(database, clock, activity, outbox, platform, broadcasts)
    try:
        await hall.quiet()
        yield hall
    finally:
        await broadcasts.stop()
        await outbox.stop()
