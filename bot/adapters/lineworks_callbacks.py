"""From a LINE WORKS callback to events.

A callback carries no id and is never sent again. So its key is made of what it says, and the durable log that stands
before our answer is all that keeps it. Messages have no ids either: an incoming one goes by its event's key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError

from bot.adapters import lineworks_wire as wire
from bot.adapters.bodies import document_in
from bot.bounds import EVENTS_AT_ONCE
from bot.clock import Clock
from bot.errors import MalformedPayload
from bot.events import ButtonPressed, Event, Location, MemberJoined, MemberLeft, MessageReceived, part, unknown

_TOGETHER = frozenset({"joined", "left"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Callbacks:
    """Reads the callbacks of one bot, for the adapter of that name."""

    def __init__(self, adapter: str, bot_id: str, clock: Clock, secret: str = "") -> None:
        self._adapter = adapter
        self._bot_id = bot_id
        self._clock = clock
        self._secret = secret.encode()

    def events(self, body: bytes) -> list[Event]:
        """One event, or one for each of several people who joined or left; what has no word of ours is `Unknown`.

        Raises MalformedPayload for what is no callback at all.
        """
        document = document_in(body)
        if not isinstance(document, dict) or not isinstance(document.get("type"), str):
            raise MalformedPayload("A callback must be an object with a `type`.")
        try:
            callback = wire.Callback.model_validate(document)
            found = self._translate(callback, self._key(callback, document.get("content")))
        except (ValidationError, OverflowError) as error:
            return self._one_by_one(document, body) or [self._unknown(body, _mistake(error))]
        return found or [self._unknown(body, f"There is no event of the type {callback.type[:50]!r} in this form.")]

    def _one_by_one(self, document: Mapping[str, Any], body: bytes) -> list[Event]:
        """Those who joined or left together, where not all of them can be read; none if nobody can."""
        people = document.get("members")
        if document["type"] not in _TOGETHER or not isinstance(people, list) or not 1 < len(people) <= EVENTS_AT_ONCE:
            return []
        found: list[Event] = []
        key, understood = self._fingerprint(body), False
        for number, person in enumerate(people):
            alone = {**document, "members": [person]}
            try:
                found += self._translate(wire.Callback.model_validate(alone), f"{key}:{number}")
                understood = True
            except ValidationError as error:
                raw = part(alone)
                now = self._clock.now()
                found.append(
                    unknown(self._adapter, raw, key=f"{key}:#{number}", occurred_at=now, reason=_mistake(error))
                )
        return found if understood else []

    def _key(self, callback: wire.Callback, content: object) -> str:
        """The same for the same callback, however its ids and its time are written."""
        source = callback.source
        said = [
            self._bot_id,
            callback.type,
            source.channel_id,
            source.user_id,
            (callback.issued_time - _EPOCH) // _MICROSECOND,
            content,
            callback.data,
            callback.members,
        ]
        return self._fingerprint(orjson.dumps(said, option=orjson.OPT_SORT_KEYS))

    def _fingerprint(self, content: bytes) -> str:
        """What tells one callback from another, as LINE WORKS gives them no ids.

        With the bot's secret: keys are kept for weeks, and from a plain hash of who, when and what, somebody who tries
        the few answers that a question has would learn which was given.
        """
        return hmac.digest(self._secret, content, hashlib.sha256).hex()

    def _unknown(self, body: bytes, reason: str, *, key: str = "") -> Event:
        key = key or self._fingerprint(body)
        return unknown(self._adapter, body, key=key, occurred_at=self._clock.now(), reason=reason)

    def _translate(self, callback: wire.Callback, key: str) -> list[Event]:
        """The events in our words; none for what we have no word for."""
        user, channel = callback.source.user_id, callback.source.channel_id
        common: dict[str, Any] = {
            "adapter": self._adapter,
            "key": key,
            "conversation": channel or user or "",
            "direct": channel is None,
            "occurred_at": callback.issued_time,
        }
        match callback.type:
            case "message" if user is not None and callback.content is not None:
                if channel is None and callback.content.postback == wire.BEGUN:
                    return [MemberJoined(**common, member=user)]
                return _message(callback.content, {**common, "sender": user, "message_id": key})
            case "postback" if user is not None and callback.data:
                return [ButtonPressed(**common, sender=user, message_id=key, data=callback.data)]
            case "join" if channel is not None:
                return [MemberJoined(**common, member=self._bot_id)]
            case "leave" if channel is not None:
                return [MemberLeft(**common, member=self._bot_id)]
            case "begin" if user is not None:
                return [MemberJoined(**common | {"conversation": user, "direct": True}, member=user)]
            case "end" if user is not None:
                return [MemberLeft(**common | {"conversation": user, "direct": True}, member=user)]
            case "joined" | "left" if channel is not None:
                kind = MemberJoined if callback.type == "joined" else MemberLeft
                return [
                    kind(**{**common, "key": f"{key}:{number}"}, member=member)
                    for number, member in enumerate(callback.members)
                ]
        return []


def _mistake(error: ValidationError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return "The event happened at no possible moment."
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{'.'.join(str(each) for each in first['loc']) or 'event'}: {first['msg']}"


def _message(content: wire.Content, common: Mapping[str, Any]) -> list[Event]:
    if content.postback:  # a button of a `button_template` speaks in its owner's name and says so here
        return [ButtonPressed(**common, data=content.postback)]
    match content.type:
        case "text":
            return [MessageReceived(**common, text=content.text)]
        case "sticker":
            return [MessageReceived(**common)]
        case "location":
            place = {"latitude": content.latitude, "longitude": content.longitude, "label": content.address}
            return [MessageReceived(**common, location=Location.model_validate(place))]
        case kind if kind in wire.FILES:
            return [MessageReceived(**common, files=1)]
    return []
