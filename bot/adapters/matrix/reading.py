"""From Matrix's events to the house's; the webhook and catching up read alike, so that the same thing has one key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.adapters.bodies import glimpse
from bot.adapters.matrix import wire
from bot.adapters.matrix.rooms import Rooms
from bot.clock import Clock
from bot.events import (
    ButtonPressed,
    Event,
    MemberJoined,
    MemberLeft,
    MessageRead,
    MessageReceived,
    MessageUnsent,
    Unknown,
    Unreadable,
    as_text,
    part,
)

Raw = Mapping[str, Any]
Receipt = tuple[str, str, datetime]
"""Event, person, moment."""


class Unplaced(Exception):
    """To be read when more is known about the room: whose it is, or whether a number answers a question."""


_ENCRYPTED = "The room is encrypted, and the bot cannot read it. Write to the bot in the room that it opened."


class Reader:
    """Reads for one bot. With `clock`, events are stamped by it and not with the server's time: for rehearsals."""

    def __init__(
        self, adapter: str, bot: str, display_name: str, key: bytes, rooms: Rooms, clock: Clock | None
    ) -> None:
        self._adapter = adapter
        self._bot = bot
        self._display_name = display_name
        self._key = key
        self._rooms = rooms
        self._clock = clock

    def read(self, raw: object, room: str | None = None, *, looked_into: bool = False) -> Event | None:
        """What an event of a room says; None for what is not said to the bot. `room` where the event does not tell.

        Raises `Unplaced` for a room that the bot was invited to and that nobody has `looked_into`, and for a number in
        a pair talk that is not loaded.
        """
        if not isinstance(raw, dict):
            unreadable = isinstance(raw, Unreadable)
            return self._unknown(raw, "The event is no JSON." if unreadable else "An event must be an object.")
        try:
            return self._understand(raw, room or str(raw["room_id"]), looked_into=looked_into)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, RecursionError) as error:
            return self._unknown(raw, f"The event is not what Matrix describes ({type(error).__name__}: {error}).")

    def _understand(self, raw: Raw, room: str, *, looked_into: bool) -> Event | None:
        content = raw["content"]
        if not isinstance(content, dict):
            raise TypeError("content")
        if raw["sender"] == self._bot:
            if raw["type"] in wire.SAID and "state_key" not in raw:
                self._rooms[room].note(raw, self._key)
            return None
        if room in self._rooms.invitations and not looked_into:
            raise Unplaced(room)
        person = self._rooms.person(room)
        common: dict[str, Any] = {
            "adapter": self._adapter,
            "key": raw["event_id"],
            "conversation": person or room,
            "direct": person is not None,
            "occurred_at": self._moment(raw["origin_server_ts"]),
        }
        match raw["type"]:
            case wire.MEMBER:
                return self._member(raw, room, content, common)
            case wire.ENCRYPTION if raw.get("state_key") == "":
                self._rooms.encrypt(room)
                return None
            case wire.TOMBSTONE if raw.get("state_key") == "":
                if isinstance(replacement := content.get("replacement_room"), str) and replacement:
                    self._rooms.end(room, replacement)
                return None
            case _ if "state_key" in raw:
                return None
            case wire.MESSAGE:
                return self._message(raw, room, content, common)
            case kind if kind in wire.POLL_RESPONSES:
                choice = wire.pressed(wire.chosen(content), room, self._key)
                return None if choice is None else self._press(raw, room, choice, common)
            case wire.REDACTION:
                gone = content.get("redacts") or raw.get("redacts")  # moved into the content by room version 11
                return MessageUnsent(**common, message_id=wire.message_id(room, str(gone)))
            case kind if person is None or kind in _NOT_SAID or kind.startswith(_NOT_TALK):
                return None
            case kind:
                reason = _ENCRYPTED if kind == wire.ENCRYPTED else f"There is no event of the type {kind[:50]!r}."
                return self._unknown(raw, reason)

    def _message(self, raw: Raw, room: str, content: Raw, common: dict[str, Any]) -> Event | None:
        # A notice is what bots say to each other's rooms; answering one is how two bots talk for ever.
        if not content or content.get("msgtype") == "m.notice" or wire.is_edit(content):
            return None
        text = wire.said_to(content, self._bot, self._display_name, direct=common["direct"])
        place = wire.location(content) if content.get("msgtype") == "m.location" else None
        if text is None:
            return None
        position = wire.number(text) if common["direct"] else None
        if position is not None:
            here = self._rooms[room]
            if not here.loaded:
                raise Unplaced(room)
            if here.choices is not None and position < len(here.choices[1]):
                return self._press(raw, room, (here.choices[0], here.choices[1][position]), common)
        files = int(content.get("msgtype") in wire.FILES)
        if common["direct"]:
            self._rooms.prefer(common["conversation"], room)
        return MessageReceived(
            **common,
            sender=raw["sender"],
            message_id=wire.message_id(room, raw["event_id"]),
            text="" if files or place else text,
            location=place,
            files=files,
            reply_token=wire.place(room, raw["event_id"], content),
        )

    def _press(self, raw: Raw, room: str, choice: tuple[str, str], common: dict[str, Any]) -> ButtonPressed:
        event, data = choice
        if common["direct"]:
            self._rooms.prefer(common["conversation"], room)
        return ButtonPressed(
            **common, sender=raw["sender"], message_id=wire.message_id(room, event), data=data, reply_token=room
        )

    def _member(self, raw: Raw, room: str, content: Raw, common: dict[str, Any]) -> Event | None:
        unsigned = raw.get("unsigned")
        before = unsigned.get("prev_content") if isinstance(unsigned, dict) else None
        was = before.get("membership") if isinstance(before, dict) else None
        member, now = raw["state_key"], content["membership"]
        if common["direct"] and member == common["conversation"]:
            self._rooms.moved(member, inside=now in {"join", "invite"})
            if now not in {"join", "invite"}:
                self._rooms.step_back(room)
        if member == self._bot or was == now:  # the same again: a new name or picture
            return None
        if now == "join":
            return MemberJoined(**common, member=member)
        if now in {"leave", "ban"} and was in {"join", "invite", None}:
            return MemberLeft(**common, member=member)
        return None

    def receipts(self, content: object) -> Iterator[Receipt]:
        """Each public receipt in the content of an `m.receipt`, without the bot's own.

        A receipt for a thread of its own says nothing about the room, in which the bot speaks.
        """
        for event, kinds in content.items() if isinstance(content, dict) else ():
            readers = kinds.get("m.read") if isinstance(kinds, dict) else None
            for person, facts in readers.items() if isinstance(readers, dict) else ():
                if person == self._bot or not isinstance(facts, dict) or facts.get("thread_id", "main") != "main":
                    continue
                try:
                    yield event, person, self._moment(facts["ts"])
                except (KeyError, TypeError, ValueError, OverflowError, OSError):
                    continue  # without its moment it says nothing that could be shown

    def has_read(self, room: str, event: str, reader: str, at: datetime) -> MessageRead:
        """That somebody has read one of the bot's messages."""
        person = self._rooms.person(room)
        return MessageRead(
            adapter=self._adapter,
            key=f"read {reader} {event}",
            conversation=person or room,
            direct=person is not None,
            occurred_at=at,
            reader=reader,
            message_id=wire.message_id(room, event),
        )

    def _moment(self, milliseconds: float) -> datetime:
        if self._clock is not None:
            return self._clock.now()
        return datetime.fromtimestamp(milliseconds / 1_000, UTC)

    def _unknown(self, raw: object, reason: str) -> Unknown:
        payload = part(raw)
        known: Raw = glimpse(raw)
        key, sent = known.get("event_id"), known.get("origin_server_ts")
        if not isinstance(key, str) or not key:
            key = "sha256:" + hashlib.sha256(payload).hexdigest()
        try:
            moment = self._moment(sent)  # type: ignore[arg-type]  # anything at all: the fallback is below
        except (TypeError, ValueError, OverflowError, OSError):
            moment = datetime.fromtimestamp(0, UTC)
        return Unknown(
            adapter=self._adapter, key=key, conversation="", occurred_at=moment, payload=as_text(payload), reason=reason
        )


_NOT_TALK = ("m.call.", "m.key.verification.")
_NOT_SAID = frozenset({"m.reaction", "m.sticker", "m.poll.end", "org.matrix.msc3381.poll.end", *wire.POLLS})
