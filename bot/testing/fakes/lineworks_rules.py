"""What LINE WORKS takes and what it declines, as strict as its documentation: for `FakeLineWorks`.

Written from the documentation and apart from the adapter's own wire on purpose: a mistake made in both would not show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel, ConfigDict, Field

from bot.adapters.lineworks_auth import ServiceAccount

MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)
SKEW = timedelta(seconds=60)


class _Strict(BaseModel):
    """A property that is not documented is an error, as the platform warns."""

    model_config = ConfigDict(extra="forbid", strict=True)


class MessageAction(_Strict):
    type: Literal["message"]
    label: str = Field(min_length=1, max_length=20)
    postback: str = Field(default="", max_length=300)


class PostbackAction(_Strict):
    type: Literal["postback"]
    label: str = Field(min_length=1, max_length=20)
    data: str = Field(min_length=1, max_length=300)
    displayText: str = Field(min_length=1, max_length=300)  # noqa: N815 - the platform's name; a quick reply needs it


class QuickReplyItem(_Strict):
    action: Annotated[MessageAction | PostbackAction, Field(discriminator="type")]


class QuickReply(_Strict):
    items: list[QuickReplyItem] = Field(min_length=1, max_length=13)


class TextContent(_Strict):
    type: Literal["text"]
    text: str = Field(min_length=1, max_length=2_000)
    quickReply: QuickReply | None = None  # noqa: N815 - the platform's name


class ButtonContent(_Strict):
    """A `button_template`: of the actions, a postback action is none that it takes."""

    type: Literal["button_template"]
    contentText: str = Field(min_length=1, max_length=1_000)  # noqa: N815 - the platform's name
    actions: list[MessageAction] = Field(min_length=1, max_length=10)
    quickReply: QuickReply | None = None  # noqa: N815 - the platform's name


class SendMessage(_Strict):
    """The two kinds of message that the fake knows."""

    content: Annotated[TextContent | ButtonContent, Field(discriminator="type")]


class CreateChannel(_Strict):
    members: list[str] = Field(min_length=1, max_length=100)
    title: str = Field(default="", max_length=1_000)


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
