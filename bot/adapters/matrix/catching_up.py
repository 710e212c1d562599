"""Fetching what never arrived: after a start, after a gap, and once a minute in case nobody noticed one.

Synapse drops receipts for good when the bot does not answer, and whatever was queued when it stopped itself. Nothing of
that is lost on its disk: `/sync` tells all that happened since a cursor. The cursor is kept at the homeserver, in the
bot's account data, and moves on only when the log has what came before it. What the webhook has brought as well comes
twice and is handled once, by its key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import structlog

from bot.adapters.matrix import wire
from bot.adapters.matrix.homeserver import Homeserver, MatrixProblem
from bot.adapters.matrix.places import Places
from bot.adapters.matrix.reading import Reader, Receipt
from bot.adapters.matrix.rooms import LOOK_BACK, Room, Rooms
from bot.events import Event, MessageRead

log = structlog.get_logger(__name__)

CURSOR = "kairanban.cursor"
PAGE = 100
"""Events of one room in one answer."""

_NOTHING: dict[str, list[str]] = {"types": []}
_FILTER = orjson.dumps(
    {
        "account_data": _NOTHING,
        "presence": _NOTHING,
        "room": {
            "account_data": _NOTHING,
            "state": _NOTHING,
            "ephemeral": {"types": ["m.receipt"]},
            "timeline": {"types": wire.READABLE, "limit": PAGE},
        },
    }
).decode()


class CatchingUp:
    """Asks the homeserver what happened, for the bot `bot` and its `rooms`."""

    def __init__(
        self,
        homeserver: Homeserver,
        bot: str,
        key: bytes,
        rooms: Rooms,
        reader: Reader,
        places: Places,
    ) -> None:
        self._homeserver = homeserver
        self._bot = bot
        self._key = key
        self._rooms = rooms
        self._reader = reader
        self._places = places
        self._cursor = ""
        self._own = orjson.dumps({"senders": [bot], "types": wire.SAID}).decode()

    async def run(self, take: Callable[[Sequence[Event]], Awaitable[None]]) -> int:
        """Hand everything since the cursor to `take`, then move it; how many events that were.

        After `begin`. Raises what `take` raises, and `MatrixProblem`.
        """
        query = {"filter": _FILTER, "timeout": "0", "set_presence": "offline", "since": self._cursor}
        answer = await self._homeserver.call("GET", "sync", query=query, patience=6)
        rooms = answer.get("rooms", {})
        self._note_invitations(rooms)
        said = {room: await self._said(room, joined["timeline"]) for room, joined in rooms.get("join", {}).items()}
        joined_now = await self._places.answer_invitations()  # whose talk a room is, before what was said in it
        for room in rooms.get("leave", {}):
            self._rooms.drop_direct(room)
        await self._places.settle()
        taken = 0
        confirmed: list[tuple[Room, str, str]] = []
        for name, joined in rooms.get("join", {}).items():
            events = await self._understood(name, said[name])
            events += await self._read(self._rooms[name], joined["ephemeral"]["events"], confirmed)
            if events:
                await take(events)
                taken += len(events)
        for room_, person, message in confirmed:
            room_.confirmed[person] = message
        if rooms.get("join"):
            await self._keep_cursor(answer["next_batch"])
        self._cursor = answer["next_batch"]
        await self._places.settle()
        # What was said to us before we came in is told only to those who are in.
        return taken + await self.run(take) if joined_now else taken

    def _note_invitations(self, rooms: Mapping[str, Any]) -> None:
        for room, invited in rooms.get("invite", {}).items():
            for event in invited["invite_state"]["events"]:
                self._rooms.note_invitation(event, self._bot, room)

    async def _said(self, room: str, timeline: Mapping[str, Any]) -> list[Any]:
        """All that happened in a room since the cursor, oldest first."""
        events = list(timeline["events"])
        begin = timeline.get("prev_batch") if timeline.get("limited") else None
        while begin is not None:
            page = await self._homeserver.call(
                "GET",
                "rooms",
                room,
                "messages",
                query={
                    "dir": "b",
                    "from": begin,
                    "to": self._cursor,
                    "limit": str(PAGE),
                    "filter": orjson.dumps({"types": wire.READABLE}).decode(),
                },
            )
            events[:0] = reversed(page["chunk"])
            begin = page.get("end") if page["chunk"] else None
        # What was said before the bot was invited was not said to it.
        invited = [place for place, event in enumerate(events) if self._rooms.note_invitation(event, self._bot, room)]
        return events[invited[-1] :] if invited else events

    async def _understood(self, room: str, events: Sequence[Any]) -> list[Event]:
        if events and self._rooms.person(room) is not None:
            await self.load(self._rooms[room])  # a number that somebody typed is an answer to what was said before
        found = (self._reader.read(event, room, looked_into=True) for event in events)
        return [event for event in found if event is not None]

    async def _read(
        self, room: Room, ephemeral: Sequence[Mapping[str, Any]], confirmed: list[tuple[Room, str, str]]
    ) -> list[Event]:
        reads: dict[str, MessageRead] = {}
        for event, person, at in self._receipts(ephemeral):
            position = await self.position(room, event)
            already = room.upto.get(room.confirmed.get(person, ""), 0)
            for message in room.sent[already:position]:
                read = self._reader.has_read(room.id, message, person, at)
                reads.setdefault(read.key, read)
                confirmed.append((room, person, message))
        return list(reads.values())

    def _receipts(self, ephemeral: Sequence[Mapping[str, Any]]) -> Iterator[Receipt]:
        for each in ephemeral:
            if each.get("type") == "m.receipt":
                yield from self._reader.receipts(each.get("content"))

    async def readers(self, id: str, event: str) -> list[str]:
        """Everybody whose receipt stands at an event of a room or after it."""
        room = self._rooms[id]
        wanted = max(1, await self.position(room, event))
        only = {"rooms": [id], "account_data": _NOTHING, "state": _NOTHING, "timeline": {"limit": 1}}
        query = {"filter": orjson.dumps({"account_data": _NOTHING, "presence": _NOTHING, "room": only}).decode()}
        answer = await self._homeserver.call("GET", "sync", query=query | {"set_presence": "offline"}, patience=6)
        joined = answer.get("rooms", {}).get("join", {}).get(id)
        receipts = self._receipts(joined["ephemeral"]["events"]) if joined else ()
        return sorted({person for event, person, _ in receipts if await self.position(room, event) >= wanted})

    # ------------------------------------------------------------------ order

    async def load(self, room: Room) -> None:
        """Learn the bot's latest messages in a room, if they are not known."""
        if room.loaded:
            return
        room.meanwhile.clear()
        page = await self._homeserver.call(
            "GET", "rooms", room.id, "messages", query={"dir": "b", "limit": str(LOOK_BACK), "filter": self._own}
        )
        room.load(list(reversed(page["chunk"])), self._key)

    async def position(self, room: Room, event: str) -> int:
        """How many of the bot's remembered messages stand at or before an event; 0 for one that nobody knows."""
        await self.load(room)
        for _ in range(2):
            if event in room.upto:
                return room.upto[event]
            newest = await self._newest_at(room.id, event)
            if newest is None or newest in room.upto:
                room.upto[event] = 0 if newest is None else room.upto[newest]
                return room.upto[event]
            room.loaded = False  # the bot has said something that was not heard of
            await self.load(room)
        return room.upto.get(event, 0)

    async def _newest_at(self, room: str, event: str) -> str | None:
        """The last thing that the bot had said when an event came; None for an event before all of them."""
        try:
            around = await self._homeserver.call(
                "GET", "rooms", room, "context", event, query={"limit": "2", "filter": self._own}
            )
        except MatrixProblem as problem:
            if problem.errcode not in {"M_FORBIDDEN", "M_NOT_FOUND"}:
                raise
            log.info("matrix.receipt_for_nothing", room=room, message_id=event)
            return None
        own = around.get("event", {}).get("sender") == self._bot and around["event"]["type"] in wire.SAID
        before = around.get("events_before") or ()
        return event if own else before[0]["event_id"] if before else None

    # ----------------------------------------------------------------- cursor

    async def begin(self) -> None:
        """Take up the kept cursor. On the bot's first day there is none: what is said from now on counts."""
        kept = await self._homeserver.call_unless("M_NOT_FOUND", "GET", "user", self._bot, "account_data", CURSOR)
        cursor = kept.get("next_batch")
        if not isinstance(cursor, str):
            query = {"filter": _FILTER, "timeout": "0", "set_presence": "offline"}
            answer = await self._homeserver.call("GET", "sync", query=query, patience=6)
            self._note_invitations(answer.get("rooms", {}))
            cursor = str(answer["next_batch"])
            if not self._rooms.invitations:  # kept, it would pass over those that nobody has answered
                await self._keep_cursor(cursor)
        self._cursor = cursor

    async def _keep_cursor(self, cursor: str) -> None:
        await self._homeserver.call("PUT", "user", self._bot, "account_data", CURSOR, body={"next_batch": cursor})
