"""The wire of the LINE WORKS Bot API 2.0: every platform-specific name and limit, and nothing else.

Sources, on developers.worksmobile.com, read in November 2026: bot-callback and its pages (callbacks), bot-send-text,
bot-send-button, bot-quickreply, bot-actionobject (what can be sent), bot-channel-create, bot-channel-member-list, bot
(rooms of 500), auth-jwt (tokens), rate-limits.

Callback: `POST <callback url>` with one event as JSON, `X-WORKS-BotId`, and `X-WORKS-Signature`, the base64 of the
HMAC-SHA256 of the raw body under the bot's secret. There is no event id, and a callback that fails is never sent again.

Calls: below `https://www.worksapis.com/v1.0/bots/{botId}`, `Authorization: Bearer <token>`. A message is answered 201
without a body: it has no id, cannot be taken back, and there is no key that would make a second try harmless.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, FailFast, Field
from pydantic.alias_generators import to_camel

from bot.bounds import few
from bot.messages import Button

API = "https://www.worksapis.com/v1.0"
TOKEN_URL = "https://auth.worksmobile.com/oauth2/v2.0/token"  # noqa: S105 - an address, no secret
SIGNATURE_HEADER = "X-WORKS-Signature"
BOT_HEADER = "X-WORKS-BotId"
SCOPE = "bot"
PEOPLE_SCOPE = "user.read"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

TEXT_LENGTH = 2_000
BUTTON_TEXT_LENGTH = 1_000
"""Characters above the buttons of a `button_template`."""
BUTTONS = 10
QUICK_REPLIES = 13
LABEL_LENGTH = 20
DATA_LENGTH = 300
PAGE = 100
"""Entries in one page of a list, and members with whom a room is made."""
QUIET_ROOM = 500
"""A message of a bot into a room of so many members, or more, makes no telephone ring."""
REQUESTS_PER_MINUTE = 240
"""Of each operation, all processes together; 60 on the free plan. Over half an hour, half of it."""


def signature(secret: str, body: bytes) -> str:
    """The value of `X-WORKS-Signature` for these raw bytes."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


class Wire(BaseModel):
    """Frozen; what a newer service adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


def _as_text(value: object) -> object:
    """An id as text: the platform writes some as numbers, and not the same ones every time."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=200)]


# ---------------------------------------------------------------- callbacks


class Source(Wire):
    """Where it happened; `channel_id` is absent in the talk of one person with the bot, `user_id` if nobody acted."""

    user_id: Id | None = None
    channel_id: Id | None = None
    domain_id: Id | None = None


class Content(Wire):
    """What somebody sent; `postback` is there when it was a button of a `button_template` that sent it."""

    type: str
    text: str = ""
    postback: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    address: str = ""


class Callback(Wire):
    """One event, of whatever type: `message`, `postback`, `join`, `leave`, `joined`, `left`, `begin`, `end`, …"""

    type: str
    source: Source
    issued_time: AwareDatetime
    content: Content | None = None
    data: str | None = None
    members: Annotated[list[Id], FailFast(), BeforeValidator(few)] = Field(default_factory=list)


BEGUN = "start"
"""The `postback` of the message that the button sends by which somebody begins to talk with the bot."""
FILES = frozenset({"image", "file", "audio", "video"})


# -------------------------------------------------------------------- calls


def content(text: str, buttons: Sequence[Button] = ()) -> dict[str, Any]:
    """A message's `content`. ValueError with a reason if it does not fit.

    Buttons stand in a `button_template`, where they stay for good. A longer text has them as quick replies, which go
    away with the next message: better than to cut the text.
    """
    if not buttons:
        return {"type": "text", "text": _checked(text)}
    labels = [button.label for button in buttons]
    if any(len(label) > LABEL_LENGTH for label in labels):
        text, labels = _numbered(text, labels)
    if len(text) <= BUTTON_TEXT_LENGTH and len(buttons) <= BUTTONS:
        actions = [
            {"type": "message", "label": label, "postback": button.data}
            for label, button in zip(labels, buttons, strict=True)
        ]
        return {"type": "button_template", "contentText": text, "actions": actions}
    if len(buttons) > QUICK_REPLIES:
        raise ValueError(f"A LINE WORKS message has {QUICK_REPLIES} buttons at most, not {len(buttons)}.")
    items = [
        {"action": {"type": "postback", "label": label, "data": button.data, "displayText": button.label}}
        for label, button in zip(labels, buttons, strict=True)
    ]
    return {"type": "text", "text": _checked(text), "quickReply": {"items": items}}


def _checked(text: str) -> str:
    if len(text) > TEXT_LENGTH:
        raise ValueError(f"A LINE WORKS message has {TEXT_LENGTH} characters at most, not {len(text)}.")
    return text


def _numbered(text: str, labels: Sequence[str]) -> tuple[str, list[str]]:
    """Labels that are too long, cut and numbered, and in full below the text if there is room for them."""
    lines = [f"{number}. {label}" for number, label in enumerate(labels, start=1)]
    whole = "\n".join([text, "", *lines])
    cut = [line if len(line) <= LABEL_LENGTH else line[: LABEL_LENGTH - 1] + "…" for line in lines]
    return whole if len(whole) <= TEXT_LENGTH else text, cut


class TokenAnswer(Wire):
    """200 to the request for a token; its names are OAuth's (RFC 6749, section 5.1)."""

    model_config = ConfigDict(alias_generator=None)

    access_token: str = Field(min_length=1)
    expires_in: float = Field(gt=0)  # seconds; comes as text, too
    token_type: Literal["Bearer", "bearer"] = "Bearer"  # noqa: S105 - a kind of token, no token


class PageMark(Wire):
    next_cursor: str | None = None


class Page(Wire):
    """One page of a list; it goes on where there is a `next_cursor`."""

    response_meta_data: PageMark = PageMark()


class MembersPage(Page):
    """200 to `GET /bots/{botId}/channels/{channelId}/members?count=&cursor=`."""

    members: list[Id] = Field(default_factory=list)


class User(Wire):
    """Somebody of the domain; `user_external_key` is the customer's own, where they have given one."""

    user_id: Id
    user_external_key: str | None = None
    is_deleted: bool = False


class UsersPage(Page):
    """200 to `GET /users?count=&cursor=`."""

    users: list[User] = Field(default_factory=list)


class PostAnswer(Wire):
    """201 to `POST /boards/{boardId}/posts`, and an entry of the list of posts."""

    post_id: int
    title: str = ""


class PostsPage(Page):
    """200 to `GET /boards/{boardId}/posts?count=&cursor=`, the latest first."""

    posts: list[PostAnswer] = Field(default_factory=list)


class PostReader(Wire):
    """Somebody who may read a post; `user_id` is missing of those who have left."""

    user_id: str | None = None
    is_read: bool = False


class ReadersPage(Page):
    """200 to `GET /boards/{boardId}/posts/{postId}/readers?cursor=`, up to 5,000."""

    readers: list[PostReader] = Field(default_factory=list)


class Problem(Wire):
    """What stands in an answer that declines."""

    code: str = ""
    description: str = ""
