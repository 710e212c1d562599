"""The keeper of the rooms: makes the platforms follow the plan, in the background, one room after the other.

A notice never waits for the keeper, and the keeper never changes a room under a notice: while members are brought in
or out, `rooms.changing_until` keeps new notices out of the room (they go by pair talk), and it does not begin while a
message to the room still waits in the outbox. So everybody gets a notice either by room or by pair talk, never both.

A room that the platform refuses, because it was closed or the bot was taken out of it, is given up and made anew for
the same people. Rerouting has moved what it refused to them by then, and has put the room aside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Row, and_, bindparam, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.activity import Activity
from bot.adapter import Adapter, MakesRooms
from bot.clock import Clock
from bot.loop import Loop
from bot.outbox import SentDelivery
from bot.storage import Database
from bot.tables import attempts, deliveries
from broadcasts import seating
from broadcasts.tables import room_places, rooms
from broadcasts.wording import Wording

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
"""How long one process may take over a room before another does the work again; the work can be done twice."""
PATIENCE = timedelta(seconds=15)
"""How long until the keeper looks again whether a room's messages have left the outbox."""
FRESH = timedelta(minutes=1)
"""How long rerouting has for what a room has refused, before the keeper gives the room up."""
FIRST_RETRY = timedelta(minutes=1)
LAST_RETRY = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class _Work:
    """A room that this process has taken over for a change."""

    id: int
    adapter: str
    token: str
    title: str
    platform_id: str | None
    wanted: Sequence[str]
    leaving: Sequence[str]


class RoomKeeper:
    """A background loop over the rooms of all standing audiences."""

    def __init__(
        self,
        database: Database,
        adapters: Mapping[str, Adapter],
        clock: Clock,
        activity: Activity,
        wording: Wording,
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._makers = {name: each for name, each in adapters.items() if isinstance(each, MakesRooms)}
        self._clock = clock
        self._wording = wording
        # Not sooner for a database's fault either: a room that was made and could not be noted is made anew.
        self._loop = Loop(
            "room keeper", self.tend, clock, activity, after_failure=FIRST_RETRY, database_pause=FIRST_RETRY
        )
        self._failures: dict[int, int] = {}
        self._waits_for_outbox = False

    def ring(self) -> None:
        """Look at the roster and the rooms again: something has changed."""
        self._loop.ring()

    async def start(self) -> None:
        """Begin; the first look comes at once."""
        if self._database.is_sqlite:
            # SQLite belongs to one process: whoever was changing a room is gone, and their work is ours to finish.
            async with self._database.transaction() as db:
                now = self._clock.now()
                await db.execute(update(rooms).where(rooms.c.changing_until > now).values(changing_until=now))
        await self._loop.start()

    async def stop(self) -> None:
        """End; a change under way is begun again at the next start."""
        await self._loop.stop()

    async def on_sent(self, db: AsyncConnection, sent: Sequence[SentDelivery]) -> None:
        """Hook of the outbox: a room that waited for its messages may be free now."""
        if self._waits_for_outbox and any(each.address.kind == "room" for each in sent):
            self._database.after_commit(db, self.ring)

    async def tend(self) -> datetime | None:
        """Look once: plan, then change what differs; the moment to look again at the latest, None if all is well."""
        self._waits_for_outbox = False
        await self._plan()
        async with self._database.snapshot() as db:
            unsettled = (await db.execute(_UNSETTLED)).all()
        later: list[datetime] = []
        done = False
        for room in unsettled:
            if room.adapter not in self._makers:
                continue
            again = await self._change(room)
            done = done or again is None
            if again is not None:
                later.append(again)
        # Whoever has just left a room may have to be seated in another one.
        return self._clock.now() if done else min(later, default=None)

    async def _plan(self) -> None:
        names = tuple(self._adapters)
        async with self._database.snapshot() as db:
            keys = await seating.standing_keys(db)
            changes = [
                await seating.compare(db, key, name, size, names)
                for key in keys
                for name in sorted(self._makers)
                if (size := self._adapters[name].capabilities.room_size) is not None
            ]
        for change in filter(None, changes):
            async with self._database.transaction() as db:
                await seating.write(db, change, self._wording)
            log.info(
                "rooms.planned", audience=change.audience_key, joining=len(change.seats), leaving=len(change.leaving)
            )

    async def _change(self, room: Row[int, str]) -> datetime | None:
        """Make one room what its places say; None if it is done, else when to try again."""
        work = await self._take(room.id)
        if isinstance(work, datetime):
            return work
        try:
            present = await self._carry_out(work)
        except Exception as error:
            again = self._clock.now() + self._backoff(work.id)
            log.warning("rooms.change_failed", room=work.id, adapter=work.adapter, error=str(error))
            async with self._database.transaction() as db:
                # Who is in the room now is unsure, so it stays out of use until the next try has looked.
                await db.execute(update(rooms).where(rooms.c.id == work.id).values(changing_until=again))
            return again
        async with self._database.transaction() as db:
            complete = await seating.settle(db, work.id, present)
        if not complete:
            return self._clock.now() + self._backoff(work.id)
        self._failures.pop(work.id, None)
        return None

    async def _take(self, room_id: int) -> _Work | datetime:
        """Take a room over, or say when to ask again."""
        now = self._clock.now()
        async with self._database.transaction() as db:
            # The lock orders this after a notice that is being queued for the room; SQLite ignores it and needs none.
            room = (await db.execute(select(rooms).where(rooms.c.id == room_id).with_for_update())).one()
            if room.changing_until is not None and room.changing_until > now:
                return room.changing_until  # type: ignore[no-any-return] # a row's columns are untyped
            if room.platform_id is not None and await _has_messages_waiting(db, room.adapter, room.platform_id, now):
                self._waits_for_outbox = True
                return now + PATIENCE
            await db.execute(update(rooms).where(rooms.c.id == room_id).values(changing_until=now + LEASE))
            if await db.scalar(_IS_LOST, {"adapter": room.adapter, "room": room.platform_id}) is not None:
                room = await seating.begin_anew(db, room_id)
                log.warning("rooms.lost", room=room_id, adapter=room.adapter)
            places = (
                await db.execute(
                    select(room_places.c.state, room_places.c.address).where(room_places.c.room_id == room_id)
                )
            ).all()
        return _Work(
            room.id,
            room.adapter,
            room.token,
            room.title,
            room.platform_id,
            wanted=[place.address for place in places if place.state == "wanted"],
            leaving=[place.address for place in places if place.state == "leaving"],
        )

    async def _carry_out(self, work: _Work) -> Sequence[str]:
        """Do the work at the platform; who is in the room afterwards. Every step may be repeated."""
        maker = self._makers[work.adapter]
        platform_id = work.platform_id
        if platform_id is None:
            # Made empty, so that a repeated call has the same body whoever has come or gone meanwhile.
            platform_id = await maker.create_room(work.title, (), key=work.token)
            async with self._database.transaction() as db:
                await db.execute(update(rooms).where(rooms.c.id == work.id).values(platform_id=platform_id))
        if work.leaving:
            await maker.remove_from_room(platform_id, work.leaving)
        if work.wanted:
            await _bring_in(maker, platform_id, work.wanted)
        return await maker.room_members(platform_id)

    def _backoff(self, room_id: int) -> timedelta:
        failures = self._failures[room_id] = self._failures.get(room_id, 0) + 1
        wait: timedelta = FIRST_RETRY * 2 ** min(failures - 1, 10)
        return min(LAST_RETRY, wait)


_elsewhere = deliveries.alias("elsewhere")
_IS_LOST = (
    select(deliveries.c.id)
    .where(
        deliveries.c.adapter == bindparam("adapter"),
        deliveries.c.address == bindparam("room"),
        deliveries.c.kind == "room",
        deliveries.c.state.in_((literal_column("'dead'"), literal_column("'replaced'"))),
        select(attempts.c.id).where(attempts.c.delivery_id == deliveries.c.id, attempts.c.outcome == "gone").exists(),
        # A platform that takes nothing from us tells nothing about the room.
        select(_elsewhere.c.id)
        .where(
            _elsewhere.c.topic == deliveries.c.topic,
            _elsewhere.c.adapter == deliveries.c.adapter,
            _elsewhere.c.state == "sent",
        )
        .exists(),
    )
    .limit(1)
)
"""Whether the platform has said that there is no such room for us, and takes the same message for others."""
_UNSETTLED = (
    select(rooms.c.id, rooms.c.adapter)
    .where(
        or_(
            rooms.c.platform_id.is_(None),
            rooms.c.changing_until.is_not(None),
            select(room_places.c.member_id)
            .where(and_(room_places.c.room_id == rooms.c.id, room_places.c.state.in_(("wanted", "leaving"))))
            .exists(),
        )
    )
    .order_by(rooms.c.id)
)


async def _has_messages_waiting(db: AsyncConnection, adapter: str, platform_id: str, now: datetime) -> bool:
    here = select(deliveries.c.id).where(
        deliveries.c.adapter == adapter, deliveries.c.kind == "room", deliveries.c.address == platform_id
    )
    # Two looks, because each has an index of its own. What was refused just now is about to be moved to its members.
    waiting = here.where(deliveries.c.state.in_(("queued", "sending")))
    refused = here.where(deliveries.c.state == "dead", deliveries.c.finished_at > now - FRESH)
    return any([await db.scalar(each.limit(1)) is not None for each in (waiting, refused)])


async def _bring_in(maker: MakesRooms, room: str, people: Sequence[str]) -> None:
    """Bring people into a room; one whom the platform will not have keeps nobody else out."""
    try:
        await maker.add_to_room(room, people)
    except Exception as error:
        await maker.room_members(room)  # raises if it is the platform that is out, which ends the attempt here
        if len(people) == 1:
            log.warning("rooms.member_refused", room=room, error=str(error))
            return
        middle = len(people) // 2
        await _bring_in(maker, room, people[:middle])
        await _bring_in(maker, room, people[middle:])
