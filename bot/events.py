"""What happened on a platform, in one vocabulary for all of them.

Events are frozen and carry no platform's names. `key` is unique within an adapter and makes an event countable once,
however often the platform delivers it; order is kept within a `conversation`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

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
    key: str
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
    """Signed correctly, but of no kind that we know, or unreadable: kept whole, so that nothing is lost."""

    type: Literal["unknown"] = "unknown"
    payload: str
    """The body as it came; bytes that are no UTF-8 stand as backslash escapes."""
    reason: str = ""


Event = Annotated[
    MessageReceived | ButtonPressed | MessageRead | MemberJoined | MemberLeft | MessageUnsent | Unknown,
    Field(discriminator="type"),
]
"""Any of the events above; `EVENT.validate_json` reads one back from the log."""

EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def unknown(adapter: str, body: bytes, *, key: str, occurred_at: datetime, reason: str) -> Unknown:
    """An `Unknown` that keeps `body` whole."""
    return Unknown(
        adapter=adapter,
        key=key,
        conversation="",
        occurred_at=occurred_at,
        payload=body.decode("utf-8", "backslashreplace"),
        reason=reason,
    )
