"""What the bot says, and takes back: one event for the text, one for its buttons, under ids that never change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from bot.adapter import Delivery, Outcome, Rejected, Sent
from bot.adapters.matrix import wire
from bot.adapters.matrix.homeserver import Homeserver, MatrixProblem
from bot.adapters.matrix.places import Places
from bot.adapters.matrix.rooms import Rooms
from bot.messages import Address, Button, Message, Priority
from bot.texts import Texts

TRIES = 4
"""Rooms in which something is tried to be said."""
REMEMBERED = 10_000


class Speaker:
    """Carries out deliveries as the bot `user`."""

    def __init__(
        self, homeserver: Homeserver, user: str, key: bytes, rooms: Rooms, places: Places, texts: Texts
    ) -> None:
        self._rooms = rooms
        self._went: dict[str, str] = {}
        """Rooms in which something may have been said, of which nobody knows."""
        self._homeserver = homeserver
        self._user = user
        self._key = key
        self._places = places
        self._texts = texts

    async def carry_out(self, delivery: Delivery) -> Outcome:
        """Send it or take it back; raises `MatrixProblem`."""
        if delivery.action == "delete":
            return await self._take_back(delivery)
        to, message = delivery.address, delivery.message
        if to.kind == "person" and not wire.is_user(to.id):
            return Rejected(f"{to.id[:40]!r} is no id of a person on Matrix.", gone=True)
        for _ in range(TRIES):
            room, place = await self._room(delivery)
            if room in self._rooms.encrypted:
                return Rejected("The room is encrypted, and nothing of ours is said there in clear.", gone=True)
            try:
                return await self._say(room, place, message, delivery)
            except MatrixProblem as problem:
                if problem.is_passing:
                    self._went[delivery.key] = room
                    if len(self._went) > REMEMBERED:
                        del self._went[next(iter(self._went))]
                if problem.errcode != "M_FORBIDDEN" or not await self._finds_another(room, to):
                    raise
        return Rejected("The bot may not speak in any of the rooms that there are.", gone=True)

    async def _room(self, delivery: Delivery) -> tuple[str, str]:
        """Where a message goes, and the place of what it answers."""
        to, place = delivery.address, delivery.reply_token or ""
        asked = self._rooms.current(wire.room_of(place))
        if asked and not self._rooms.is_mute(asked):
            return asked, place if asked == wire.room_of(place) else ""
        if to.kind == "room":
            return self._rooms.current(to.id), ""
        before = self._went.get(delivery.key) if delivery.uncertain else None
        if before is not None and not self._rooms.is_mute(before):
            return before, ""  # the same id in the same room is the same message
        return await self._places.direct(to.id), ""

    async def _say(self, room: str, place: str, message: Message, delivery: Delivery) -> Outcome:
        content = wire.message_content(message, urgent=delivery.priority == Priority.EMERGENCY)
        event = await self._put(room, wire.MESSAGE, wire.in_thread(content, place), delivery.key)
        if message.buttons:
            await self._offer(room, event, message.buttons, delivery.key)
        return Sent(wire.message_id(room, event))

    async def _finds_another(self, room: str, to: Address) -> bool:
        """Whether there is another room to say it in than the one in which the bot may not speak."""
        try:
            found = await self._places.find_replacement(room)
        except MatrixProblem as problem:
            if problem.is_passing:
                raise
            found = False  # we are not even in it
        if to.kind == "person" and not found:
            self._rooms.mute(room)
            return True
        return found

    async def _offer(self, room: str, event: str, buttons: Sequence[Button], key: str) -> None:
        poll = wire.poll_content(buttons, self._texts("matrix.choose"), room, event, self._key)
        await self._put(room, wire.POLL, poll, f"{key} poll")

    async def _put(self, room: str, kind: str, content: wire.Content, key: str) -> str:
        answer = await self._homeserver.call("PUT", "rooms", room, "send", kind, _transaction(key), body=content)
        return _event_in(answer)

    async def _take_back(self, delivery: Delivery) -> Outcome:
        room, event = wire.room_and_event(delivery.message_id or "")
        if not event:
            return Rejected("There is no message id to take back.")
        polls: list[str] = []
        if delivery.message.buttons:
            related = await self._homeserver.call(
                "GET", "rooms", room, "relations", event, "m.reference", wire.POLL, version="v1"
            )
            polls = [poll["event_id"] for poll in related.get("chunk", ()) if poll["sender"] == self._user]
        for gone in (event, *polls):
            await self._redact(room, gone, _transaction(f"{delivery.key} {gone}"))
        return Sent()

    async def _redact(self, room: str, event: str, transaction: str) -> None:
        try:
            answer = await self._homeserver.call("PUT", "rooms", room, "redact", event, transaction, body={})
        except MatrixProblem as problem:
            if problem.errcode != "M_NOT_FOUND":
                raise
        else:
            _event_in(answer)


def _event_in(answer: Mapping[str, Any]) -> str:
    """The id of the event that a call has made."""
    event = answer.get("event_id")
    if not isinstance(event, str) or not event:
        # Without the id, reads and deletions could not be matched; the same key asks for the answer again.
        raise MatrixProblem("The homeserver took the message but its answer could not be read.", 200)
    return event


def _transaction(key: str) -> str:
    """A client's transaction id: the delivery's key, in letters that an address can hold."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]
