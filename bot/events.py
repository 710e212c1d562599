"""What happened on a platform, in one vocabulary for all of them.

Events are frozen and carry no platform's names. `key` is unique within an adapter and makes an event countable once,
however often the platform delivers it; order is kept within a `conversation`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter


class Location(BaseModel):
    """A place that somebody posted; degrees, WGS 84."""

    model_config = ConfigDict(frozen=True)

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    label: str = ""


class BaseEvent(BaseModel):
    """What every event has.

    `conversation` is the platform's id of the room, or in pair talk the id of the person on the other side, and
    `direct` says which of the two: it is where a reply goes.
    """

    model_config = ConfigDict(frozen=True)

    adapter: str
    key: str = Field(min_length=1)
    conversation: str
    direct: bool = False
    occurred_at: AwareDatetime


class MessageReceived(BaseEvent):
    """Somebody wrote to the bot, in pair talk or with a mention in a room."""

    type: Literal["message_received"] = "message_received"
    sender: str
    message_id: str
    text: str = ""
    location: Location | None = None
    files: int = 0
    """How many files came with it; `bot.adapter.FetchesFiles` brings them in by the message's id."""
    reply_token: str | None = None
    """Where a platform wants the answer to quote one (LINE); lives for about a minute."""


class ButtonPressed(BaseEvent):
    """Somebody pressed a button of a message that the bot had sent."""

    type: Literal["button_pressed"] = "button_pressed"
    sender: str
    message_id: str
    data: str
    reply_token: str | None = None


class MessageRead(BaseEvent):
    """Somebody has read a message of the bot."""

    type: Literal["message_read"] = "message_read"
    reader: str
    message_id: str


class MemberJoined(BaseEvent):
    """Somebody joined a room in which the bot is, or, in pair talk, befriended or unblocked the bot."""

    type: Literal["member_joined"] = "member_joined"
    member: str
    reply_token: str | None = None


class MemberLeft(BaseEvent):
    """Somebody left a room in which the bot is, or blocked the bot."""

    type: Literal["member_left"] = "member_left"
    member: str


class MessageUnsent(BaseEvent):
    """Somebody took a message back."""

    type: Literal["message_unsent"] = "message_unsent"
    message_id: str


class Unknown(BaseEvent):
    """Signed correctly, but of no kind that we know, or unreadable: kept whole, where an operator sees it."""

    type: Literal["unknown"] = "unknown"
    payload: str
    """The body as it came; NUL and bytes that are no UTF-8 stand as backslash escapes."""
    reason: str = ""


class Unused(BaseEvent):
    """Understood, and nothing for us: a kind that we have no use for, or a talk in which somebody else has the word.

    It is on disk before the platform's 200 like any other event, is answered by nobody and is no failure: unless a
    handler takes it, its payload goes once it is seen through.
    """

    type: Literal["unused"] = "unused"
    payload: str
    """The event as it came."""
    reason: str = ""


Event = Annotated[
    MessageReceived | ButtonPressed | MessageRead | MemberJoined | MemberLeft | MessageUnsent | Unknown | Unused,
    Field(discriminator="type"),
]
"""Any of the events above; `EVENT.validate_json` reads one back from the log."""

EVENT: TypeAdapter[Event] = TypeAdapter(Event)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_BRACKETS = (dict, list)


def has_possible_moment(event: Event) -> bool:
    """Whether it says that it happened at a moment with which one can reckon, in every time zone."""
    return 1970 <= event.occurred_at.year < 3000


def storable(event: Event, now: datetime) -> Event:
    """The event as every database takes it.

    NUL and half a surrogate pair stand as U+FFFD. What happened at no possible moment happened `now`: shown to people
    it would overflow, and an answer from the year 9999 could never be changed.
    """
    moment = event.occurred_at if has_possible_moment(event) else now
    return EVENT.validate_python(_storable(event.model_dump()) | {"occurred_at": moment})


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _storable(each) for name, each in value.items()}
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands in the place of one event of a body that is no JSON by itself: its bytes."""

    raw: bytes


def part(document: object) -> bytes:
    """One event of a body that was read, as JSON again, or as it came where it is `Unreadable`.

    What lies in a hundred brackets and more is left out.

    `orjson` reads a thousand and writes 254, and on some platforms anybody can send such an event: it must not take the
    others in the same body with it.
    """
    if isinstance(document, Unreadable):
        return document.raw
    try:
        return orjson.dumps(document)
    except TypeError:
        flat = _flattened(document, 100)
    try:
        return orjson.dumps(flat)
    except TypeError:  # a number beyond 64 bits, out of an event that `orjson` has not read
        return json.dumps(flat).encode()


def _flattened(value: Any, levels: int) -> Any:
    """The value without what lies deeper; what has no depth of its own is not worth a call each."""
    if not isinstance(value, _BRACKETS):
        return value
    if levels == 0:
        return "…"
    if isinstance(value, list):
        return [_flattened(each, levels - 1) if each and isinstance(each, _BRACKETS) else each for each in value]
    return {
        name: _flattened(each, levels - 1) if each and isinstance(each, _BRACKETS) else each
        for name, each in value.items()
    }


def unknown(adapter: str, body: bytes, *, key: str, occurred_at: datetime, reason: str) -> Unknown:
    """An `Unknown` that keeps `body` whole."""
    return Unknown(
        adapter=adapter,
        key=key,
        conversation="",
        occurred_at=occurred_at,
        payload=as_text(body),
        reason=reason,
    )


def as_text(body: bytes) -> str:
    r"""The body as every database takes it: bytes that are no UTF-8 stand as `\xff`, and NUL as `\x00`."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = _escaped(body)
    return text.replace("\0", "\\x00")


def _escaped(body: bytes) -> str:
    """`body.decode("utf-8", "backslashreplace")`, of which Python makes a call for every byte: 0.3 s for a megabyte."""
    if b"\\udc" in body:  # it could not be told from what stands for a byte below
        return body.decode("utf-8", "backslashreplace")
    return (
        body.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").replace(b"\\udc", b"\\x").decode()
    )
