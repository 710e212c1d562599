"""What the bot says, and takes back: one event for the text, one for its buttons, under ids that never change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from bot.adapter import Delivery, Outcome, Rejected, Sent
from bot.adapters.matrix import wire
from bot.adapters.matrix.homeserver import Homeserver, MatrixProblem
from bot.adapters.matrix.places import Places
from bot.messages import Button, Priority
from bot.texts import Texts


class Speaker:
    """Carries out deliveries as the bot `user`."""

    def __init__(self, homeserver: Homeserver, user: str, key: bytes, places: Places, texts: Texts) -> None:
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
        room = to.id if to.kind == "room" else await self._places.direct(to.id)
        content = wire.message_content(message, urgent=delivery.priority == Priority.EMERGENCY)
        event = await self._put(room, wire.MESSAGE, content, delivery.key)
        if message.buttons:
            await self._offer(room, event, message.buttons, delivery.key)
        return Sent(wire.message_id(room, event))

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
