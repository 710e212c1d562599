"""What the staff's and the administrator's API takes and gives, and the frames of the WebSocket.

Bodies refuse unknown fields and do not convert types: whoever misspells a field is told so. The bots' side of the API
is `bot.adapters.logochat_wire`; here it only becomes as strict.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from bot.adapters import logochat_wire as wire

Kind = Literal["group", "pair", "announcements"]
History = Literal["shown", "hidden"]
NoteKind = Literal["memo", "schedule", "minutes", "progress", "task"]


class Body(BaseModel):
    """Something that is sent to the service."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Answer(BaseModel):
    """Something that the service sends."""


# ------------------------------------------------------------------- people


class Login(Body):
    login: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=200)


class Session(Answer):
    token: str
    user_id: str
    name: str


class Me(Answer):
    user_id: str
    login: str
    name: str
    department: str
    can_broadcast: bool


class User(Answer):
    user_id: str
    login: str
    name: str
    department: str


class Users(Answer):
    users: list[User]
    next_cursor: str | None = None


# -------------------------------------------------------------------- rooms


class CreateRoom(Body):
    """The caller is a member besides those named; 350 all told."""

    title: str = Field(min_length=1, max_length=100)
    members: list[str] = Field(default_factory=list, max_length=wire.ROOM_SIZE * 2)
    history: History = "shown"


class ChangeMembers(Body):
    members: list[str] = Field(min_length=1, max_length=wire.ROOM_SIZE * 2)


class OpenPair(Body):
    user_id: str


class Room(Answer):
    """`unread` counts what the caller has not read; `members` holds bots as well."""

    room_id: str
    title: str
    kind: Kind
    direct: bool
    history: History
    members: list[str]
    unread: int
    last_message_id: str | None


class Rooms(Answer):
    rooms: list[Room]


# ----------------------------------------------------------------- messages


class Location(Body):
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    label: str = Field(default="", max_length=200)


class SendMessage(Body):
    """Exactly one of text, stamp and location."""

    text: str | None = Field(default=None, min_length=1, max_length=wire.TEXT_LENGTH)
    stamp: str | None = Field(default=None, min_length=1, max_length=50)
    location: Location | None = None
    quote: str | None = None
    mentions: list[str] = Field(default_factory=list, max_length=wire.ROOM_SIZE)

    @model_validator(mode="after")
    def _one_content(self) -> SendMessage:
        if (self.text is None) + (self.stamp is None) + (self.location is None) != 2:
            raise ValueError("send exactly one of text, stamp and location")
        return self


class File(Answer):
    file_id: str
    name: str
    size: int
    content_type: str


class Button(Answer):
    label: str
    data: str


class Place(Answer):
    latitude: float
    longitude: float
    label: str


class Message(Answer):
    """A message as the members of its room see it; a deleted one has lost its content."""

    message_id: str
    room_id: str
    direct: bool
    sender: str
    sent_at: AwareDatetime
    text: str | None = None
    stamp: str | None = None
    location: Place | None = None
    files: list[File] = []
    buttons: list[Button] = []
    mentions: list[str] = []
    quote: str | None = None
    reference: str | None = None
    deleted: bool = False


class Messages(Answer):
    """Oldest first; `next_before` is where the page before this one begins, or null."""

    messages: list[Message]
    next_before: str | None = None


class SentMessage(Answer):
    message_id: str
    room_id: str
    sent_at: AwareDatetime


class SentFiles(SentMessage):
    files: list[File]


class RoomFile(File):
    message_id: str
    sender: str
    sent_at: AwareDatetime


class RoomFiles(Answer):
    """Newest first."""

    files: list[RoomFile]


class Reads(Answer):
    """Everybody who can see the message, without its sender and without bots; `read_at` by reader."""

    message_id: str
    readers: list[str]
    unread: list[str]
    read_at: dict[str, AwareDatetime]


class MarkRead(Body):
    """Everything in the room up to this message is read."""

    message_id: str


class Press(Body):
    data: str = Field(min_length=1, max_length=300)


class Forward(Body):
    room_id: str


class Broadcast(Body):
    text: str = Field(min_length=1, max_length=wire.TEXT_LENGTH)


class SentBroadcast(SentMessage):
    recipients: int


# -------------------------------------------------------------------- notes


class WriteNote(Body):
    title: str = Field(min_length=1, max_length=100)
    text: str = Field(default="", max_length=20_000)
    kind: NoteKind = "memo"


class RewriteNote(WriteNote):
    """With `version`, the note is only rewritten if nobody else has done so since: 409 otherwise."""

    version: int | None = None


class Note(Answer):
    note_id: str
    room_id: str
    author: str
    kind: NoteKind
    title: str
    text: str
    version: int
    updated_at: AwareDatetime


class Notes(Answer):
    notes: list[Note]


# ------------------------------------------------------------ administration


class NewUser(Body):
    login: str = Field(min_length=1, max_length=100)
    name: str = Field(min_length=1, max_length=100)
    department: str = Field(default="", max_length=100)
    password: str = Field(min_length=8, max_length=200)
    can_broadcast: bool = False


class NewUsers(Body):
    users: list[NewUser] = Field(min_length=1, max_length=3_000)


class UserId(Answer):
    login: str
    user_id: str


class UserIds(Answer):
    users: list[UserId]


class CallbackUrl(Body):
    callback_url: str = Field(max_length=2_000, pattern=r"^https?://[^\s/?#@]+(/\S*)?$")


class NewBot(CallbackUrl):
    name: str = Field(min_length=1, max_length=100)


class BotAccess(Answer):
    """Shown once; `token` calls the service, `secret` signs its callbacks."""

    bot_id: str
    token: str
    secret: str


class BotToken(Answer):
    token: str


class Faults(Body):
    """How likely each misbehaviour is for one bot call; together at most 1. `seed` makes the draws repeatable."""

    rate_limited: float = Field(default=0.0, ge=0, le=1)
    error: float = Field(default=0.0, ge=0, le=1)
    hang: float = Field(default=0.0, ge=0, le=1)
    cut: float = Field(default=0.0, ge=0, le=1)
    seed: int = 0

    @model_validator(mode="after")
    def _at_most_certain(self) -> Faults:
        if self.rate_limited + self.error + self.hang + self.cut > 1:
            raise ValueError("the probabilities add up to more than 1")
        return self


class RoomCount(Answer):
    """Group rooms, and the people in the largest."""

    count: int
    largest: int
    pairs: int


class ReferenceCount(Answer):
    """What people (not bots) can see of the messages with one reference.

    `delivered` people see at least one; there are `copies` pairs of person and message; `duplicates` is the difference.
    """

    members: int
    delivered: int
    copies: int
    duplicates: int


class Statistics(Answer):
    """`active` counts, by month in Tokyo (2023-07), the people who wrote, pressed or read."""

    users: int
    rooms: RoomCount
    messages: int
    files: int
    references: dict[str, ReferenceCount]
    active: dict[str, int]


# --------------------------------------------------------- the bots, strictly


class BotButton(wire.SendButton):
    model_config = ConfigDict(extra="forbid", strict=True)


class BotFile(wire.SendFile):
    model_config = ConfigDict(extra="forbid", strict=True)


class BotMessage(wire.SendMessage):
    model_config = ConfigDict(extra="forbid", strict=True)
    buttons: list[BotButton] = Field(default_factory=list, max_length=wire.BUTTONS)  # type: ignore[assignment] # narrower
    files: list[BotFile] = Field(default_factory=list, max_length=wire.FILES)  # type: ignore[assignment] # narrower

    @model_validator(mode="after")
    def _one_address(self) -> BotMessage:
        if (self.room_id is None) == (self.user_id is None):
            raise ValueError("give either room_id or user_id")
        return self


class BotRoom(wire.CreateRoom):
    model_config = ConfigDict(extra="forbid", strict=True)
    members: list[str] = Field(default_factory=list, max_length=wire.ROOM_SIZE * 2)


class BotMembers(wire.ChangeMembers):
    model_config = ConfigDict(extra="forbid", strict=True)
    members: list[str] = Field(min_length=1, max_length=wire.ROOM_SIZE * 2)


# -------------------------------------------------------------------- frames


class Ready(Answer):
    """From here on everything arrives."""

    type: Literal["ready"] = "ready"
    user_id: str


class ProblemFrame(Answer):
    """A command over the WebSocket was refused, and has changed nothing; `detail` says what to mend."""

    type: Literal["problem"] = "problem"
    status: int
    detail: str


class MessageFrame(Answer):
    type: Literal["message"] = "message"
    message: Message


class ReadFrame(Answer):
    """`user_id` has read everything up to `message_id`; goes to those who wrote what was newly read."""

    type: Literal["read"] = "read"
    room_id: str
    user_id: str
    message_id: str
    read_at: AwareDatetime


class DeletedFrame(Answer):
    type: Literal["deleted"] = "deleted"
    room_id: str
    message_id: str


class MemberFrame(Answer):
    type: Literal["joined", "left"]
    room_id: str
    user_id: str


class NoteFrame(Answer):
    """`note` is null when it was taken away."""

    type: Literal["note"] = "note"
    room_id: str
    note_id: str
    note: Note | None
