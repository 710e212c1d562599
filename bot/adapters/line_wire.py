"""LINE's names: the callbacks that come in, the message objects that go out, and the limits that LINE publishes.

Lengths are counted as LINE counts them, in UTF-16 units: an emoji is two. Kinds of events and messages that are not
here, tomorrow's, are kept as `Unknown` by the adapter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field
from pydantic.alias_generators import to_camel

from bot.bounds import few
from bot.messages import Button, Message

SIGNATURE_HEADER = "X-Line-Signature"
RETRY_KEY_HEADER = "X-Line-Retry-Key"
REQUEST_ID_HEADER = "X-Line-Request-Id"
ACCEPTED_REQUEST_ID_HEADER = "X-Line-Accepted-Request-Id"

RECIPIENTS = 500
"""People whom one multicast reaches at most."""
MESSAGES = 5
"""Message objects in one call at most."""
TEXT_LENGTH = 5_000
QUICK_REPLIES = 13
LABEL_LENGTH = 40
"""Of a button in a Flex Message."""
QUICK_REPLY_LABEL_LENGTH = 20
DATA_LENGTH = 300
ALT_TEXT_LENGTH = 400

USER_ID = re.compile(r"U[0-9a-f]{32}")
ROOM_ID = re.compile(r"[CR][0-9a-f]{32}")
"""A group or a multi-person chat."""

EMOJI_LOOKED_AT = 100
"""Of LINE's own emoji in one text; LINE's clients send 20 at most."""
_COMMAND_SIGNS = frozenset({"/", "／"})
_BLANK = re.compile(r"\s")

LAST_MOMENT = 253_402_300_799_999
"""The end of the year 9999 in milliseconds since 1970: later ones are no moments."""


class Incoming(BaseModel):
    """What LINE sends; fields that we have no use for are passed over."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class UserSource(Incoming):
    type: Literal["user"]
    user_id: str = Field(min_length=1)


class GroupSource(Incoming):
    type: Literal["group"]
    group_id: str = Field(min_length=1)
    user_id: str | None = None


class RoomSource(Incoming):
    type: Literal["room"]
    room_id: str = Field(min_length=1)
    user_id: str | None = None


Source = Annotated[UserSource | GroupSource | RoomSource, Field(discriminator="type")]


class Mentionee(Incoming):
    """Where in the text somebody is mentioned, in UTF-16 units; `is_self` is the bot."""

    index: int = Field(ge=0)
    length: int = Field(ge=0)
    is_self: bool = False


class Mention(Incoming):
    mentionees: Annotated[tuple[Mentionee, ...], FailFast(), BeforeValidator(few)] = ()


class Emoji(Incoming):
    """Where in the text one of LINE's own emoji stands, in UTF-16 units; there, the text says what it shows: (moon)."""

    index: int = Field(ge=0)
    length: int = Field(ge=0)


class TextContent(Incoming):
    type: Literal["text"]
    id: str
    text: str
    mention: Mention = Mention()
    emojis: Annotated[tuple[Emoji, ...], FailFast(), BeforeValidator(few)] = ()


class FileContent(Incoming):
    type: Literal["image", "video", "audio", "file"]
    id: str


class StickerContent(Incoming):
    type: Literal["sticker"]
    id: str


class LocationContent(Incoming):
    type: Literal["location"]
    id: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    title: str | None = None
    address: str | None = None


Content = Annotated[TextContent | FileContent | StickerContent | LocationContent, Field(discriminator="type")]


class IncomingEvent(Incoming):
    """What every event has; `reply_token` where it can be answered by one."""

    mode: str
    timestamp: int = Field(ge=0, le=LAST_MOMENT)
    source: Source
    reply_token: str | None = None


class MessageEvent(IncomingEvent):
    type: Literal["message"]
    message: Content


class Unsent(Incoming):
    message_id: str


class UnsendEvent(IncomingEvent):
    type: Literal["unsend"]
    unsend: Unsent


class Postback(Incoming):
    data: str


class PostbackEvent(IncomingEvent):
    type: Literal["postback"]
    postback: Postback


class FollowEvent(IncomingEvent):
    """Somebody befriended or unblocked the bot, or blocked it."""

    type: Literal["follow", "unfollow"]
    source: UserSource


class PresenceEvent(IncomingEvent):
    """The bot itself came into a room, or was put out of it."""

    type: Literal["join", "leave"]
    source: Annotated[GroupSource | RoomSource, Field(discriminator="type")]


class People(Incoming):
    members: Annotated[tuple[UserSource, ...], FailFast(), BeforeValidator(few), Field(min_length=1)]


class MembersJoinedEvent(IncomingEvent):
    type: Literal["memberJoined"]
    joined: People


class MembersLeftEvent(IncomingEvent):
    type: Literal["memberLeft"]
    left: People


KnownEvent = Annotated[
    MessageEvent | UnsendEvent | PostbackEvent | FollowEvent | PresenceEvent | MembersJoinedEvent | MembersLeftEvent,
    Field(discriminator="type"),
]
KNOWN_TYPES = frozenset(
    {"message", "unsend", "postback", "follow", "unfollow", "join", "leave", "memberJoined", "memberLeft"}
)
ACCOUNT_TYPES = frozenset({"activated", "deactivated", "botSuspended", "botResumed", "module"})
"""Kinds about the account itself and the services that share it: nothing is to be done, and the log ought to tell."""
UNUSED_TYPES = ACCOUNT_TYPES | {
    "accountLink",
    "beacon",
    "delivery",
    "membership",
    "messageEdited",
    "things",
    "videoPlayComplete",
}
"""Kinds that LINE describes and that mean nothing to us: what is edited was answered when it was said.

Source: "Webhook event objects" in LINE's reference, and `webhook.yml` of its public OpenAPI.
"""
STANDBY = "standby"
"""The mode of an event in a chat in which another service of the account has the word: the bot must not answer."""


class SentMessage(Incoming):
    id: str


class SentAnswer(Incoming):
    """The answer to a reply and to a push; a multicast's has no ids."""

    sent_messages: tuple[SentMessage, ...] = ()


class ErrorDetail(Incoming):
    message: str = ""
    property: str = ""


class ErrorAnswer(Incoming):
    message: str
    details: tuple[ErrorDetail, ...] = ()


class QuotaAnswer(Incoming):
    """`value` is there only where `type` is "limited"."""

    type: str
    value: int | None = Field(default=None, ge=0)


class ConsumptionAnswer(Incoming):
    total_usage: int = Field(ge=0)


# ------------------------------------------------------------------- going out


def length(text: str) -> int:
    """Characters as LINE counts them."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def plain_words(content: TextContent) -> str:
    """What was said, without the bot's own name in it, so that `@bot /ping` is the command that was meant.

    LINE's own emoji stay as what LINE writes for them, `(moon)`; but not before a command, at its name, alone behind
    it, or at a number that ends it: `/ヘルプ(moon)` is `/ヘルプ`.
    """
    said = without_mention(content.text, content.mention)
    emoji = [(each.index, each.length) for each in content.emojis]
    if not 0 < len(emoji) <= EMOJI_LOOKED_AT:
        return said
    units = content.text.encode("utf-16-le", "surrogatepass")
    names = [(each.index, each.length) for each in content.mention.mentionees if each.is_self]
    if _without(units, names + emoji).lstrip()[:1] not in _COMMAND_SIGNS:
        return said
    spoiling = []
    for index, size in emoji:
        before = _without(units[: index * 2], names + emoji).lstrip()
        is_last = not _without(units, [(0, index), *names, *emoji]).strip()
        in_its_name = not _BLANK.search(before.rstrip() if is_last else before)
        if in_its_name or (is_last and before[-1:].isdecimal()):
            spoiling.append((index, size))
    return _without(units, names + spoiling).strip()


def without_mention(text: str, mention: Mention) -> str:
    """The text without the bot's own name in it."""
    units = text.encode("utf-16-le", "surrogatepass")
    return _without(units, [(each.index, each.length) for each in mention.mentionees if each.is_self]).strip()


def _without(units: bytes, places: Sequence[tuple[int, int]]) -> str:
    """A text in UTF-16 without what stands at these places, each an index and a length; they may overlap."""
    kept, end = [], len(units)
    for index, size in sorted(places, reverse=True):
        kept.append(units[(index + size) * 2 : end])
        end = min(end, index * 2)
    kept.append(units[:end])
    return b"".join(reversed(kept)).decode("utf-16-le", "surrogatepass")


def split(text: str) -> list[str]:
    """The text in pieces that LINE takes, cut at a line's end where there is one in the second half."""
    pieces = []
    while length(text) > TEXT_LENGTH:
        end = _fitting(text)
        line_end = text.rfind("\n", end // 2, end)
        cut = end if line_end < 0 else line_end
        pieces.append(text[:cut])
        text = text[cut:].removeprefix("\n")
    return [piece for piece in [*pieces, text] if piece]


def _fitting(text: str) -> int:
    """How many letters of a text fit into one message."""
    end = min(len(text), TEXT_LENGTH)
    while (surplus := length(text[:end]) - TEXT_LENGTH) > 0:
        end -= (surplus + 1) // 2
    return end


def message_objects(message: Message) -> list[dict[str, Any]]:
    """The message as LINE's objects; ValueError with the reason if LINE would not take it.

    Buttons are a Flex Message below the text: it stays pressable in the history, and a label may have 40 characters.
    While it is the latest message, the same choices hang over the keyboard as quick replies, if their labels are short.
    """
    objects: list[dict[str, Any]] = [{"type": "text", "text": piece} for piece in split(message.text)]
    if message.buttons:
        objects.append(_flex(message.buttons))
    if len(objects) > MESSAGES:
        most = MESSAGES - bool(message.buttons)
        raise ValueError(
            f"The text has {length(message.text)} characters and would take {len(objects)} messages; LINE takes "
            f"{most} of {TEXT_LENGTH} characters here. Make it shorter."
        )
    return objects


def _flex(buttons: Sequence[Button]) -> dict[str, Any]:
    if len(buttons) > QUICK_REPLIES:
        raise ValueError(f"The message has {len(buttons)} buttons; on LINE there are {QUICK_REPLIES} at most.")
    for button in buttons:
        if length(button.label) > LABEL_LENGTH or length(button.data) > DATA_LENGTH:
            raise ValueError(
                f"The button {button.label!r} is too long for LINE: {LABEL_LENGTH} characters for what it says, "
                f"{DATA_LENGTH} for its data."
            )
    actions = [
        {"type": "postback", "label": button.label, "data": button.data, "displayText": button.label}
        for button in buttons
    ]
    contents = [
        {"type": "button", "style": "secondary", "height": "sm", "adjustMode": "shrink-to-fit", "action": action}
        for action in actions
    ]
    flex: dict[str, Any] = {
        "type": "flex",
        "altText": _cut(" / ".join(button.label for button in buttons), ALT_TEXT_LENGTH),
        "contents": {
            "type": "bubble",
            "body": {"type": "box", "layout": "vertical", "spacing": "sm", "contents": contents},
        },
    }
    if all(length(button.label) <= QUICK_REPLY_LABEL_LENGTH for button in buttons):
        flex["quickReply"] = {"items": [{"type": "action", "action": action} for action in actions]}
    return flex


def _cut(text: str, limit: int) -> str:
    return text if length(text) <= limit else text[: limit // 2] + "…"
