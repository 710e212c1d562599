"""The wire of a LoGoチャット-compatible chat service: every platform-specific name, and nothing else.

The vendor of LoGoチャット publishes no API. This contract is Kairanban's own, shaped like the nearest public bots
(callback URL, per-bot token, a separate send call, HMAC-signed callbacks). When the vendor's specification is at hand,
this module changes and nothing else does. The rehearsal's chat service speaks it from the other side.

Callback: `POST <callback url>` with a `Callback` as JSON and the header `X-Chat-Signature: sha256=<hex>`, the
HMAC-SHA256 of the raw body under the bot's secret. Anything but 2xx, and no answer within 10 s, is sent again with
backoff for at least an hour; an event keeps its `event_id`.

Calls: below `/bot/v1/`, `Authorization: Bearer <token>`. An `Idempotency-Key` on a POST is honoured for 24 hours: the
same key with the same body gets the first answer again, with another body 422. Errors are problem documents (RFC
9457); 429 carries `Retry-After` in seconds.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

SIGNATURE_HEADER = "X-Chat-Signature"
IDEMPOTENCY_HEADER = "Idempotency-Key"
BOT_PREFIX = "/bot/v1"
ROOM_SIZE = 350
ROOMS_PER_USER = 300
TEXT_LENGTH = 5_000
BUTTONS = 10
FILES = 10
BYTES_OF_FILES = 200_000_000
EVENTS_PER_CALLBACK = 100


def signature(secret: str, body: bytes) -> str:
    """The value of `X-Chat-Signature` for these raw bytes."""
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


class Wire(BaseModel):
    """Frozen; what a newer service adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# ---------------------------------------------------------------- callbacks


class WireLocation(Wire):
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    label: str = ""


class WireEvent(Wire):
    """`room_id` is always there; `direct` says that the room is the pair talk between `user_id` and the bot."""

    event_id: str = Field(min_length=1, max_length=100)
    occurred_at: AwareDatetime
    room_id: str = Field(min_length=1, max_length=100)
    direct: bool = False
    user_id: str = Field(min_length=1, max_length=100)


class WireMessage(WireEvent):
    type: Literal["message"] = "message"
    message_id: str
    text: str = ""
    location: WireLocation | None = None
    files: int = 0


class WireButton(WireEvent):
    type: Literal["button"] = "button"
    message_id: str
    data: str


class WireRead(WireEvent):
    """`user_id` has read the bot's message."""

    type: Literal["read"] = "read"
    message_id: str


class WireJoined(WireEvent):
    type: Literal["joined"] = "joined"


class WireLeft(WireEvent):
    type: Literal["left"] = "left"


class WireDeleted(WireEvent):
    type: Literal["deleted"] = "deleted"
    message_id: str


KnownEvent = Annotated[
    WireMessage | WireButton | WireRead | WireJoined | WireLeft | WireDeleted, Field(discriminator="type")
]


class Callback(Wire):
    """A request from the service; up to 100 events, in their order."""

    bot_id: str
    events: list[KnownEvent]


# -------------------------------------------------------------------- calls


class SendButton(Wire):
    label: str = Field(min_length=1, max_length=40)
    data: str = Field(min_length=1, max_length=300)


class SendFile(Wire):
    """A file that was put there before with `PUT /files/{sha256}?name=`: the content itself, streamed, answered 204.

    It may be put again, which changes nothing. `sha256` is the content's, in hexadecimal; it is checked.
    """

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    name: str = Field(min_length=1, max_length=200)


class SendMessage(Wire):
    """`POST /messages`, to a room that the bot is in or to a person's pair talk (made when it is not there yet).

    With `files`, up to 10 of 200 MB together. 409 if one of them is not there, or no longer.

    `reference` is the sender's own word for what the message belongs to; the service shows it in its statistics.
    """

    room_id: str | None = None
    user_id: str | None = None
    text: str = Field(min_length=1, max_length=TEXT_LENGTH)
    buttons: list[SendButton] = Field(default_factory=list, max_length=BUTTONS)
    files: list[SendFile] = Field(default_factory=list, max_length=FILES)
    mentions: list[str] = Field(default_factory=list, max_length=ROOM_SIZE)
    quote: str | None = None
    reference: str | None = Field(default=None, max_length=100)


class MessageAnswer(Wire):
    """201 to `POST /messages`. `DELETE /messages/{message_id}` takes it back: 204, and 204 again."""

    message_id: str
    room_id: str
    sent_at: AwareDatetime


class FileAnswer(Wire):
    file_id: str
    name: str
    size: int


class FilesAnswer(Wire):
    """200 to `GET /messages/{message_id}/files`; the content of one is at `/messages/{message_id}/files/{file_id}`."""

    files: list[FileAnswer]


class ReadsAnswer(Wire):
    """200 to `GET /messages/{message_id}/reads`."""

    message_id: str
    readers: list[str]
    unread: list[str]


class CreateRoom(Wire):
    """`POST /rooms`; the bot is in it besides the members, and does not count towards the 350."""

    title: str = Field(min_length=1, max_length=100)
    members: list[str] = Field(default_factory=list, max_length=ROOM_SIZE)
    history: Literal["shown", "hidden"] = "shown"


class ChangeMembers(Wire):
    """`POST /rooms/{room_id}/members` brings in, `DELETE` of the same takes out. All of them or none; 204."""

    members: list[str] = Field(min_length=1, max_length=ROOM_SIZE)


class RoomAnswer(Wire):
    """201 to `POST /rooms`, 200 to `GET /rooms/{room_id}`."""

    room_id: str
    title: str
    members: list[str]


class UserAnswer(Wire):
    user_id: str
    login: str
    name: str
    department: str = ""


class UsersAnswer(Wire):
    """200 to `GET /users?limit=&cursor=`; `login` is the staff number."""

    users: list[UserAnswer]
    next_cursor: str | None = None


class Problem(Wire):
    """An RFC 9457 problem document; `detail` says what to mend."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
