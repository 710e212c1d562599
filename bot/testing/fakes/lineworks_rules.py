"""What LINE WORKS takes and what it declines, as strict as its documentation: for `FakeLineWorks`.

Written from the documentation and apart from the adapter's own wire on purpose: a mistake made in both would not show.
"""

# ruff: noqa: N815 - the platform's names; pydantic copies what a field begins with
from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.adapters.lineworks_auth import ServiceAccount

MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)
SKEW = timedelta(seconds=60)
_AREAS = (
    *("attendance", "audit", "board", "bot", "bot.message", "calendar", "contact", "directory", "file", "form"),
    *("group", "group.folder", "group.note", "mail", "orgunit", "partner", "security", "task", "user"),
)
SCOPES = frozenset(f"{area}{ending}" for area in _AREAS for ending in ("", ".read"))
BOT_SCOPES = frozenset({"bot", "bot.message", "bot.read"})
"""The scopes that an app may be given, each for all or for reading only."""


class _Strict(BaseModel):
    """A property that is not documented is an error, as the platform warns."""

    model_config = ConfigDict(extra="forbid", strict=True)


# Names as the platform writes them. Texts in several languages stand beside each text (`i18n…`).


class _Lenient(BaseModel):
    """What a later page documents may stand beside it."""

    model_config = ConfigDict(extra="allow", strict=True)


Texts = list[dict[str, Any]]
Url = Annotated[str, Field(pattern="^https://", max_length=1_000)]
Label = Annotated[str, Field(min_length=1, max_length=20)]


class MessageAction(_Strict):
    type: Literal["message"]
    label: Label | None = None
    text: str = Field(default="", max_length=300)
    postback: str = Field(default="", max_length=300)
    i18nLabels: Texts = []
    i18nTexts: Texts = []


class PostbackAction(_Strict):
    type: Literal["postback"]
    label: Label
    data: str = Field(min_length=1, max_length=300)
    displayText: str = Field(default="", max_length=300)
    i18nLabels: Texts = []
    i18nDisplayTexts: Texts = []


class UriAction(_Strict):
    type: Literal["uri"]
    label: Label | None = None
    uri: str = Field(min_length=1, max_length=1_000)
    i18nLabels: Texts = []


class CameraAction(_Strict):
    type: Literal["camera", "cameraRoll", "location"]
    label: Label
    i18nLabels: Texts = []


class CopyAction(_Strict):
    type: Literal["copy"]
    label: Label
    copyText: str = Field(min_length=1, max_length=1_000)
    i18nLabels: Texts = []


Action = Annotated[MessageAction | UriAction | CopyAction, Field(discriminator="type")]
"""What stands under a template; a postback action is none that it takes."""
QuickAction = Annotated[
    MessageAction | PostbackAction | UriAction | CameraAction | CopyAction, Field(discriminator="type")
]


class QuickReplyItem(_Strict):
    action: QuickAction
    imageUrl: Url | None = None
    imageResourceUrl: Url | None = None
    imageFileId: str | None = None
    i18nImageUrls: Texts = []

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.action.label is None or (isinstance(self.action, PostbackAction) and not self.action.displayText):
            raise ValueError("A quick reply needs a label, and a postback in it a displayText.")
        return self


class QuickReply(_Strict):
    items: list[QuickReplyItem] = Field(min_length=1, max_length=13)


class _Content(_Strict):
    quickReply: QuickReply | None = None


class TextContent(_Content):
    type: Literal["text"]
    text: str = Field(min_length=1, max_length=2_000)
    i18nTexts: Texts = []


class StickerContent(_Content):
    type: Literal["sticker"]
    packageId: str = Field(min_length=1)
    stickerId: str = Field(min_length=1)


class _FileContent(_Content):
    """By an address or by the id of a file that was put there before: one of the two."""

    fileId: str | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        addresses = [getattr(self, name, None) for name in ("originalContentUrl", "previewImageUrl", "previewUrl")]
        if (self.fileId is None) == (not any(addresses)):
            raise ValueError("Either addresses or a fileId.")
        return self


class ImageContent(_FileContent):
    type: Literal["image"]
    previewImageUrl: Url | None = None
    originalContentUrl: Url | None = None


class FileContent(_FileContent):
    type: Literal["file"]
    originalContentUrl: Url | None = None


class AudioContent(_FileContent):
    type: Literal["audio"]
    originalContentUrl: Url | None = None
    duration: int | None = None


class VideoContent(_FileContent):
    type: Literal["video"]
    originalContentUrl: Url | None = None
    previewImageUrl: Url | None = None


class LocationContent(_Content):
    type: Literal["location"]
    title: str = Field(min_length=1, max_length=100)
    address: str = Field(min_length=1, max_length=100)
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class LinkContent(_Content):
    type: Literal["link"]
    contentText: str = Field(min_length=1, max_length=1_000)
    linkText: str = Field(min_length=1, max_length=1_000)
    link: str = Field(min_length=1, max_length=1_000)
    i18nContentTexts: Texts = []
    i18nLinkTexts: Texts = []


class ButtonContent(_Content):
    """A `button_template`."""

    type: Literal["button_template"]
    contentText: str = Field(min_length=1, max_length=1_000)
    actions: list[Action] = Field(min_length=1, max_length=10)
    i18nContentTexts: Texts = []

    @model_validator(mode="after")
    def _has_labels(self) -> Self:
        if any(action.label is None for action in self.actions):
            raise ValueError("A button needs a label.")
        return self


class Cover(_Strict):
    title: str = Field(default="", max_length=20)
    subtitle: str = Field(default="", max_length=20)
    backgroundImageUrl: Url | None = None
    backgroundFileId: str | None = None
    i18nBackgroundImageUrls: Texts = []
    i18nTitles: Texts = []
    i18nSubtitles: Texts = []


class Element(_Strict):
    title: str = Field(min_length=1, max_length=20)
    subtitle: str = Field(default="", max_length=30)
    originalContentUrl: Url | None = None
    fileId: str | None = None
    defaultAction: Action | None = None
    action: Action | None = None
    i18nTitles: Texts = []
    i18nSubtitles: Texts = []
    i18nContentUrls: Texts = []


class ListContent(_Content):
    """A `list_template`: four rows at most, and two rows of two actions below them."""

    type: Literal["list_template"]
    coverData: Cover | None = None
    elements: list[Element] = Field(min_length=1, max_length=4)
    actions: list[Annotated[list[Action], Field(min_length=1, max_length=2)]] = Field(default=[], max_length=2)


class Column(_Strict):
    originalContentUrl: Url | None = None
    fileId: str | None = None
    title: str | None = Field(default=None, max_length=40)
    text: str = Field(min_length=1, max_length=60)
    defaultAction: Action | None = None
    actions: list[Action] = Field(min_length=1, max_length=3)
    i18nOriginalContentUrls: Texts = []
    i18nTitles: Texts = []
    i18nTexts: Texts = []


class CarouselContent(_Content):
    type: Literal["carousel"]
    imageAspectRatio: Literal["rectangle", "square"] = "rectangle"
    imageSize: Literal["cover", "contain"] = "cover"
    columns: list[Column] = Field(min_length=1, max_length=10)


class ImageColumn(_Strict):
    originalContentUrl: Url | None = None
    fileId: str | None = None
    action: Action
    i18nOriginalContentUrls: Texts = []


class ImageCarouselContent(_Content):
    type: Literal["image_carousel"]
    columns: list[ImageColumn] = Field(min_length=1, max_length=10)


class FlexContainer(_Lenient):
    type: Literal["bubble", "carousel"]


class FlexContent(_Content):
    type: Literal["flex"]
    altText: str = Field(min_length=1, max_length=400)
    contents: FlexContainer
    i18nFlexes: Texts = []


class SendMessage(_Strict):
    """Every kind of message that a bot may send (bot-send-content)."""

    content: Annotated[
        TextContent
        | StickerContent
        | ImageContent
        | FileContent
        | AudioContent
        | VideoContent
        | LocationContent
        | LinkContent
        | ButtonContent
        | ListContent
        | CarouselContent
        | ImageCarouselContent
        | FlexContent,
        Field(discriminator="type"),
    ]


class CreateChannel(_Strict):
    members: list[str] = Field(min_length=1, max_length=100)
    title: str = Field(default="", max_length=1_000)


class CreatePost(_Strict):
    """A post on a board (board-post-create)."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=200)
    body: str = Field(min_length=1, max_length=716_800)
    enableComment: bool = True
    mustReadEndDate: date | None = None
    sendNotifications: bool = True


@dataclass(slots=True)
class FakePost:
    """A post on a board, and who has opened it."""

    number: int
    title: str
    body: str
    must_read_until: date | None
    readers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class FakeMessage:
    """A message as people see it; `notified` tells whether their telephones rang."""

    kind: Literal["users", "channels"]
    to: str
    content: Mapping[str, Any]
    sent_at: datetime
    notified: bool

    @property
    def text(self) -> str:
        text: str = self.content.get("text") or self.content.get("contentText", "")
        return text


@dataclass(slots=True)
class FakeRoom:
    title: str
    members: list[str]


@dataclass(slots=True)
class Limit:
    """So many calls in any minute: stricter than a window that begins anew each minute, which it includes."""

    per_minute: int
    taken: deque[datetime] = field(default_factory=deque)
    """Every call of the last half hour that was let in."""
    busiest_half_hour: int = 0

    def take(self, now: datetime) -> bool:
        """Whether this call is within the limit; counted if it is."""
        while self.taken and self.taken[0] <= now - HALF_HOUR:
            self.taken.popleft()
        if self.used(now) >= self.per_minute:
            return False
        self.taken.append(now)
        self.busiest_half_hour = max(self.busiest_half_hour, len(self.taken))
        return True

    def used(self, now: datetime) -> int:
        return sum(1 for moment in self.taken if moment > now - MINUTE)

    def headers(self, now: datetime) -> dict[str, str]:
        """What every answer tells about the limit; `reset` in seconds."""
        recent = [moment for moment in self.taken if moment > now - MINUTE]
        reset = (recent[0] + MINUTE - now).total_seconds() if recent else 0.0
        return {
            "rateLimit-limit": str(self.per_minute),
            "rateLimit-remaining": str(self.per_minute - len(recent)),
            "rateLimit-reset": str(-(-reset // 1)).removesuffix(".0"),
        }


def assertion_problem(
    assertion: str, public_key: str, *, client_id: str, service_account: str, now: datetime
) -> str | None:
    """What is wrong with a JWT by which somebody asks for a token; None if nothing is."""
    unchecked = {"verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "iat", "exp"]}
    try:
        claims = jwt.decode(assertion, public_key, algorithms=["RS256"], options=unchecked)  # type: ignore[arg-type]  # a plain dict is what it takes
    except jwt.InvalidTokenError as error:
        return f"The assertion is not signed with RS256 by the app's key ({type(error).__name__})."
    return _claims_problem(claims, client_id, service_account, now)


def _claims_problem(claims: Mapping[str, object], client_id: str, service_account: str, now: datetime) -> str | None:
    issued, ends = claims["iat"], claims["exp"]
    if claims["iss"] != client_id or claims["sub"] != service_account:
        return "iss must be the client id, and sub the service account."
    if not isinstance(issued, int) or not isinstance(ends, int):
        return "iat and exp must be whole seconds."
    if issued > (now + SKEW).timestamp() or ends <= now.timestamp():
        return "The assertion is of the future or the past."
    if ends - issued > timedelta(hours=1).total_seconds():
        return "exp must be at most 60 minutes after iat."
    return None


@cache
def _private_key() -> str:
    """Made once a process: it takes a moment."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def new_account() -> ServiceAccount:
    """An app's service account, with a private key of its own."""
    return ServiceAccount("client-of-the-fake", "client-secret-of-the-fake", "abc.serviceaccount@fake", _private_key())


def public_key(account: ServiceAccount) -> str:
    """The key by which an account's signature is checked."""
    key = account.key().public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def problem(status: int, code: str, description: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    """How the API declines."""
    return web.json_response({"code": code, "description": description}, status=status, headers=headers)


def oauth_problem(code: str, description: str, status: int = 400) -> web.Response:
    """How the token's endpoint declines (RFC 6749, section 5.2)."""
    return web.json_response({"error": code, "error_description": description}, status=status)
