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
    """Asks the homeserver what happened, for the bot `bot` and its `rooms`; `admit` answers an invitation."""

    def __init__(
        self,
        homeserver: Homeserver,
        bot: str,
        key: bytes,
        rooms: Rooms,
        reader: Reader,
        admit: Callable[[str, Sequence[Mapping[str, Any]]], Awaitable[None]],
    ) -> None:
        self._homeserver = homeserver
        self._bot = bot
        self._key = key
        self._rooms = rooms
        self._reader = reader
        self._admit = admit
        self._cursor: str | None = None
        self._own = orjson.dumps({"senders": [bot], "types": wire.SAID}).decode()

    async def run(self, take: Callable[[Sequence[Event]], Awaitable[None]]) -> int:
        """Hand everything since the cursor to `take`, then move it; how many events that were.

        Raises what `take` raises, and `MatrixProblem`.

        Without a cursor, which is the bot's first day, nothing that was said before counts: only who has read what.
        """
        if self._cursor is None:
            self._cursor = await self._kept_cursor()
        query = {"filter": _FILTER, "timeout": "0", "set_presence": "offline"}
        if self._cursor is not None:
            query["since"] = self._cursor
        answer = await self._homeserver.call("GET", "sync", query=query, patience=6)
        rooms = answer.get("rooms", {})
        for room, invited in rooms.get("invite", {}).items():
            await self._admit(room, invited["invite_state"]["events"])
        for room in rooms.get("leave", {}):
            self._rooms.drop_direct(room)
        taken = 0
        confirmed: list[tuple[Room, str, str]] = []
        for name, joined in rooms.get("join", {}).items():
            events = await self._said(name, joined["timeline"])
            events += await self._read(self._rooms[name], joined["ephemeral"]["events"], confirmed)
            if events:
                await take(events)
                taken += len(events)
        for room_, person, message in confirmed:
            room_.confirmed[person] = message
        if rooms.get("join") or self._cursor is None:
            await self._keep_cursor(answer["next_batch"])
        self._cursor = answer["next_batch"]
        return taken

    async def _said(self, room: str, timeline: Mapping[str, Any]) -> list[Event]:
        if self._cursor is None:
            return []
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
        if events and self._rooms.person(room) is not None:
            await self.load(self._rooms[room])  # a number that somebody typed is an answer to what was said before
        found = (self._reader.read(event, room) for event in events)
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
            if problem.status not in {403, 404}:
                raise
            log.info("matrix.receipt_for_nothing", room=room, event=event)
            return None
        own = around.get("event", {}).get("sender") == self._bot and around["event"]["type"] in wire.SAID
        before = around.get("events_before") or ()
        return event if own else before[0]["event_id"] if before else None

    # ----------------------------------------------------------------- cursor

    async def _kept_cursor(self) -> str | None:
        try:
            kept = await self._homeserver.call("GET", "user", self._bot, "account_data", CURSOR)
        except MatrixProblem as problem:
            if problem.status == 404:
                return None
            raise
        cursor = kept.get("next_batch")
        return cursor if isinstance(cursor, str) else None

    async def _keep_cursor(self, cursor: str) -> None:
        await self._homeserver.call("PUT", "user", self._bot, "account_data", CURSOR, body={"next_batch": cursor})
