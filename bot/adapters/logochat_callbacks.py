"""What a LoGoチャット-compatible service tells the bot: signed callbacks, translated into the house's events."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from bot.adapters import logochat_wire as wire
from bot.adapters.bodies import events_in, glimpse
from bot.bounds import bounded
from bot.clock import Clock
from bot.events import (
    ButtonPressed,
    Event,
    Location,
    MemberJoined,
    MemberLeft,
    MessageRead,
    MessageReceived,
    MessageUnsent,
    Unknown,
    as_text,
    part,
)

_KNOWN_EVENT: TypeAdapter[wire.KnownEvent] = TypeAdapter(wire.KnownEvent)
# The validators themselves: `model_validate` takes as long again to get to them.
_MESSAGE = TypeAdapter(MessageReceived).validator.validate_python
_READ = TypeAdapter(MessageRead).validator.validate_python
_KNOWN_TYPES = frozenset({"message", "button", "read", "joined", "left", "deleted"})


class Callbacks:
    """The callbacks to the bot account that goes by `name` here; `secret` is the one they are signed with."""

    def __init__(self, name: str, secret: str, clock: Clock) -> None:
        self._name = name
        self._secret = secret.encode()
        self._clock = clock

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether `X-Chat-Signature` is the HMAC-SHA256 of these raw bytes under the bot's secret."""
        given = headers.get(wire.SIGNATURE_HEADER)
        if given is None:  # a plain dict is case-sensitive, HTTP is not
            wanted = wire.SIGNATURE_HEADER.lower()
            given = next((value for name, value in headers.items() if name.lower() == wanted), "")
        expected = "sha256=" + hmac.digest(self._secret, body, hashlib.sha256).hex()
        return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())

    def parse(self, body: bytes) -> Sequence[Event]:
        """The events of a callback; one that cannot be read becomes `Unknown`, and the others stand."""
        try:
            events = orjson.loads(body)["events"]
            if type(events) is not list:
                raise TypeError(events)
            return [self._parse_plain(event) for event in bounded(events)]
        except (KeyError, TypeError, ValueError):
            # Something is not as the wire has it: look again, slowly, and say what.
            return self._parse_one_by_one(body)

    def _parse_plain(self, event: dict[str, Any]) -> Event:
        """An event of the two kinds that come in thousands, without the detour over the wire's own models.

        Raises ValueError (a ValidationError is one), KeyError or TypeError for whatever is not plain.
        """
        kind, key, user, room = event["type"], event["event_id"], event["user_id"], event["room_id"]
        if not (0 < len(key) <= 100 and 0 < len(user) <= 100 and 0 < len(room) <= 100):
            raise ValueError(kind)
        direct = event.get("direct", False)
        plain = {
            "adapter": self._name,
            "key": key,
            "conversation": user if direct else room,
            "direct": direct,
            "occurred_at": event["occurred_at"],
            "message_id": event["message_id"],
        }
        if kind == "read":
            plain["reader"] = user
            return _READ(plain)  # type: ignore[no-any-return]  # a validator is not typed by its model
        if kind != "message" or event.get("location") is not None:
            return self._translate(_KNOWN_EVENT.validate_python(event))
        plain["sender"] = user
        plain["text"] = event.get("text", "")
        plain["files"] = event.get("files", 0)
        return _MESSAGE(plain)  # type: ignore[no-any-return]

    def _parse_one_by_one(self, body: bytes) -> Sequence[Event]:
        events, _ = events_in(body)
        return [self._parse_one(event) for event in events]

    def _parse_one(self, document: object) -> Event:
        raw = part(document)
        try:
            return self._translate(_KNOWN_EVENT.validate_json(raw))
        except ValidationError as error:
            return self._unknown(document, raw, error)

    def _unknown(self, document: object, raw: bytes, error: ValidationError) -> Unknown:
        known: Mapping[str, object] = glimpse(document)
        key, kind = known.get("event_id"), known.get("type")
        if not isinstance(key, str) or not key:
            key = "sha256:" + hashlib.sha256(raw).hexdigest()
        if isinstance(kind, str) and kind not in _KNOWN_TYPES:
            reason = f"There is no event of the type {kind[:50]!r}."
        else:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            reason = f"{where or 'event'}: {first['msg']}"
        return Unknown(
            adapter=self._name,
            key=key,
            conversation="",
            occurred_at=_moment(known.get("occurred_at")) or self._clock.now(),
            payload=as_text(raw),
            reason=reason,
        )

    def _translate(self, event: wire.KnownEvent) -> Event:
        common: dict[str, Any] = {
            "adapter": self._name,
            "key": event.event_id,
            "conversation": event.user_id if event.direct else event.room_id,
            "direct": event.direct,
            "occurred_at": event.occurred_at,
        }
        match event:
            case wire.WireRead():
                return MessageRead(**common, reader=event.user_id, message_id=event.message_id)
            case wire.WireMessage():
                place = event.location
                return MessageReceived(
                    **common,
                    sender=event.user_id,
                    message_id=event.message_id,
                    text=event.text,
                    location=None if place is None else Location(**place.model_dump()),
                    files=event.files,
                )
            case wire.WireButton():
                return ButtonPressed(**common, sender=event.user_id, message_id=event.message_id, data=event.data)
            case wire.WireJoined():
                return MemberJoined(**common, member=event.user_id)
            case wire.WireLeft():
                return MemberLeft(**common, member=event.user_id)
            case wire.WireDeleted():
                return MessageUnsent(**common, message_id=event.message_id)


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
