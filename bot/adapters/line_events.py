"""LINE's callbacks in the house's words.

What is not for us becomes `Unused`: kinds of events that we have no use for, messages of nobody (LINE may leave the
sender out), and everything while another service has the word in a chat (standby). What LINE has not described, or not
like this, becomes `Unknown`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from bot.adapters import line_wire as wire
from bot.adapters.bodies import events_in, glimpse
from bot.bounds import EVENTS_AT_ONCE, bounded
from bot.events import (
    ButtonPressed,
    Event,
    Location,
    MemberJoined,
    MemberLeft,
    MessageReceived,
    MessageUnsent,
    Unknown,
    Unused,
    as_text,
    part,
)

log = structlog.get_logger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOGETHER = {"memberJoined": "joined", "memberLeft": "left"}
"""Kinds of events of several people at once, and where those stand."""
_KNOWN_EVENT: TypeAdapter[wire.KnownEvent] = TypeAdapter(wire.KnownEvent)


def parse(body: bytes, *, adapter: str, now: datetime) -> list[Event]:
    """The events of a callback, none for a connection check; MalformedPayload if the body is none."""
    documents, callback = events_in(body)
    bot = callback.get("destination")
    reader = _Reader(adapter, bot if isinstance(bot, str) and bot else "bot", now)
    found: list[Event] = []
    ids: dict[str, str] = {}
    for document in documents:
        found += reader.events(document, ids)
        bounded(found)  # everybody who joins a group is an event
    return list({event.key: event for event in found}.values())


def token_age(token: str, now: datetime) -> timedelta:
    """How old a reply token is that came with an event of `parse`."""
    return now - (_EPOCH + timedelta(milliseconds=int(token.partition(":")[0])))


def plain_token(token: str) -> str:
    """The token as LINE gave it."""
    return token.partition(":")[2]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the events of one callback; `bot` is the bot's own user id."""

    adapter: str
    bot: str
    now: datetime

    def events(self, document: object, ids: dict[str, str]) -> Sequence[Event]:
        """The events in one of LINE's; `ids` are those that the body has had so far, with what they stand for."""
        raw = part(document)
        known: Mapping[str, object] = glimpse(document)
        given, digest = known.get("webhookEventId"), hashlib.sha256(raw).hexdigest()
        key = given if isinstance(given, str) and 0 < len(given) <= 100 else f"sha256:{digest}"
        if ids.setdefault(key, digest) != digest:
            # LINE's ids are unique. Should one not be, the event is told apart by what it says, and is not lost.
            key = f"{key}:{digest}"
        kind = known.get("type")
        if known.get("mode") == wire.STANDBY:
            return [self._kept(Unused, key, raw, known, "Another service has the word in this chat (mode standby).")]
        if isinstance(kind, str) and kind in wire.UNUSED_TYPES:
            if kind in wire.ACCOUNT_TYPES:
                log.warning("line.account", adapter=self.adapter, type=kind)
            return [self._kept(Unused, key, raw, known, f"There is no use for an event of the type {kind!r}.")]
        try:
            event = _KNOWN_EVENT.validate_json(raw)
        except ValidationError as error:
            return self._one_by_one(known, key) or [self._kept(Unknown, key, raw, known, _mistake(known, error))]
        if event.mode != "active":
            reason = f"There is no mode {event.mode[:20]!r}: nobody knows whether this may be answered."
            return [self._kept(Unknown, key, raw, known, reason)]
        nobody = f"LINE does not say who is behind this {event.type}: its userId is missing."
        return self._translate(event, key) or [self._kept(Unused, key, raw, known, nobody)]

    def _one_by_one(self, known: Mapping[str, object], key: str) -> Sequence[Event]:
        """Those who joined or left together, where not all of them can be read; none if nobody can."""
        field = _TOGETHER.get(str(known.get("type")), "")
        group = known.get(field)
        people = group.get("members") if isinstance(group, dict) else None
        if not isinstance(people, list) or not 1 < len(people) <= EVENTS_AT_ONCE:
            return []
        found: list[Event] = []
        understood = False
        for number, person in enumerate(people):
            raw = part({**known, field: {"members": [person]}})
            try:
                found += self._translate(_KNOWN_EVENT.validate_json(raw), key)
                understood = True
            except ValidationError as error:
                found.append(self._kept(Unknown, f"{key}:#{number}", raw, known, _mistake(known, error)))
        return found if understood else []

    def _translate(self, event: wire.KnownEvent, key: str) -> Sequence[Event]:
        """The event in the house's words; none if nobody is named where somebody must be."""
        occurred_at = _EPOCH + timedelta(milliseconds=event.timestamp)
        common: dict[str, Any] = {
            "adapter": self.adapter,
            "key": key,
            "conversation": _conversation(event.source),
            "direct": event.source.type == "user",
            "occurred_at": occurred_at,
        }
        person = event.source.user_id
        # The token tells its own age, so that nobody else has to know how long it lives.
        token = None if event.reply_token is None else f"{event.timestamp}:{event.reply_token}"
        match event:
            case wire.MembersJoinedEvent():
                return [
                    MemberJoined(**{**common, "key": f"{key}:{member.user_id}"}, member=member.user_id)
                    for member in event.joined.members
                ]
            case wire.MembersLeftEvent():
                return [
                    MemberLeft(**{**common, "key": f"{key}:{member.user_id}"}, member=member.user_id)
                    for member in event.left.members
                ]
            case wire.PresenceEvent():  # `destination` is the bot's own id
                return [(MemberJoined if event.type == "join" else MemberLeft)(**common, member=self.bot)]
            case wire.UnsendEvent():
                return [MessageUnsent(**common, message_id=event.unsend.message_id)]
            case _ if person is None:
                return []
            case wire.FollowEvent():
                if event.type == "unfollow":
                    return [MemberLeft(**common, member=person)]
                return [MemberJoined(**common, member=person, reply_token=token)]
            case wire.PostbackEvent():
                # LINE does not say under which message the button was; what it means stands in its data.
                return [
                    ButtonPressed(**common, sender=person, message_id="", data=event.postback.data, reply_token=token)
                ]
            case wire.MessageEvent():
                content = event.message
                return [
                    MessageReceived(
                        **common,
                        sender=person,
                        message_id=content.id,
                        reply_token=token,
                        text=wire.plain_words(content) if isinstance(content, wire.TextContent) else "",
                        location=_location(content),
                        files=int(isinstance(content, wire.FileContent)),
                    )
                ]

    def _kept(
        self, kind: type[Unknown | Unused], key: str, raw: bytes, known: Mapping[str, object], reason: str
    ) -> Unknown | Unused:
        stamp = known.get("timestamp")
        return kind(
            adapter=self.adapter,
            key=key,
            conversation="",
            occurred_at=_EPOCH + timedelta(milliseconds=stamp)
            if isinstance(stamp, int) and 0 <= stamp <= wire.LAST_MOMENT
            else self.now,
            payload=as_text(raw),
            reason=reason,
        )


def _mistake(known: Mapping[str, object], error: ValidationError) -> str:
    kind = known.get("type")
    if isinstance(kind, str) and kind not in wire.KNOWN_TYPES:
        return f"There is no event of the type {kind[:50]!r}."
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'event'}: {first['msg']}"


def _conversation(source: wire.Source) -> str:
    match source:
        case wire.UserSource():
            return source.user_id
        case wire.GroupSource():
            return source.group_id
        case wire.RoomSource():
            return source.room_id


def _location(content: wire.Content) -> Location | None:
    if not isinstance(content, wire.LocationContent):
        return None
    label = " ".join(part for part in (content.title, content.address) if part)
    return Location(latitude=content.latitude, longitude=content.longitude, label=label)
