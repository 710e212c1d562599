"""The service account of a LINE WORKS app: a JWT signed with its private key, exchanged for an access token.

The token is kept in memory, renewed before it ends, and renewed at once when the platform refuses it. However many
calls need a new one, one request fetches it. Secrets stand in no text that this module makes.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import ValidationError

from bot.adapters import lineworks_wire as wire
from bot.bilingual import both
from bot.clock import Clock
from bot.errors import ConfigurationError, KairanbanError

ASSERTION_LIFE = timedelta(minutes=30)
"""How long a JWT is good for; the platform takes up to an hour."""
SKEW = timedelta(seconds=30)
"""How far a JWT is dated back: to a clock behind ours it would be of the future, and refused."""
AHEAD = timedelta(minutes=5)
"""How long before its end a token is renewed, at the most; never before half its life."""
COOL_DOWN = timedelta(seconds=10)
"""How long a refusal stands before the platform is asked again: a wrong key must not be tried with every message."""
ANSWER_LIMIT = 1_000_000

_CODE = re.compile(r"[a-z_]{1,40}")
_MEND = {
    "invalid_client": "Check client_id and client_secret.",
    "invalid_grant": "Check service_account, the private key, and this machine's clock.",
    "invalid_scope": "Add the scope to the app in the developer console: bot, and user.read for staff numbers.",
    "unauthorized_client": "Issue a service account for the app in the developer console.",
}


class TokenProblem(KairanbanError):
    """There is no token, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What the developer console shows of an app; `private_key` is the text of the file that it hands out once."""

    client_id: str
    client_secret: str = field(repr=False)
    service_account: str
    private_key: str = field(repr=False)

    def key(self) -> RSAPrivateKey:
        """The private key; ConfigurationError if it is none."""
        try:
            key = load_pem_private_key(self.private_key.encode(), password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, RSAPrivateKey):
            raise ConfigurationError(both("bot", "adapter.lineworks_key"))
        return key


class Tokens:
    """The access token of one app."""

    def __init__(self, account: ServiceAccount, clock: Clock, url: str, scope: str = wire.SCOPE) -> None:
        for what in ("client_id", "client_secret", "service_account"):
            value: str = getattr(account, what)
            if not value or any(letter.isspace() for letter in value):
                raise ConfigurationError(both("bot", "adapter.lineworks_copy", what=what))
        self._account = account
        self._key = account.key()
        self._clock = clock
        self._url = url
        self._scope = scope
        self._token = ""
        self._renew_at: datetime | None = None
        self._failure: tuple[datetime, str] | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, session: aiohttp.ClientSession, *, refused: str = "") -> str:
        """A token that is good, and is not the one that was just `refused`. Raises TokenProblem.

        Of many calls whose token was refused, the first fetches a new one, and the others find it here.
        """
        good = self._renew_at is not None and self._clock.now() < self._renew_at
        if not good or self._token == refused:
            # A task of its own: a caller that gives up must not take the token from the others.
            if self._fetching is None or self._fetching.done():
                self._fetching = asyncio.create_task(self._fetch(session), name="lineworks token")
                self._fetching.add_done_callback(_notice)
            await asyncio.shield(self._fetching)
        return self._token

    async def _fetch(self, session: aiohttp.ClientSession) -> None:
        now = self._clock.now()
        if self._failure is not None and now < self._failure[0]:
            raise TokenProblem(self._failure[1])
        try:
            answer = await self._ask(session, now)
        except TokenProblem as problem:
            self._failure = (now + COOL_DOWN, str(problem))
            raise
        life = timedelta(seconds=answer.expires_in)
        self._token, self._failure = answer.access_token, None
        self._renew_at = now + life - min(AHEAD, life / 2)

    async def _ask(self, session: aiohttp.ClientSession, now: datetime) -> wire.TokenAnswer:
        form = {
            "assertion": self._assertion(now),
            "grant_type": wire.GRANT,
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret,
            "scope": self._scope,
        }
        try:
            async with session.post(self._url, data=form, allow_redirects=False) as response:
                status, body = response.status, await read_answer(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TokenProblem(f"LINE WORKS gave no token: the connection failed ({type(error).__name__}).") from None
        if status != 200:
            raise TokenProblem(_refusal(status, body))
        try:
            return wire.TokenAnswer.model_validate_json(body)
        except ValidationError:
            raise TokenProblem("LINE WORKS gave no token: its answer could not be read.") from None

    def _assertion(self, now: datetime) -> str:
        claims = {
            "iss": self._account.client_id,
            "sub": self._account.service_account,
            "iat": int((now - SKEW).timestamp()),
            "exp": int((now + ASSERTION_LIFE).timestamp()),
        }
        return jwt.encode(claims, self._key, algorithm="RS256")


async def read_answer(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer, never more than `ANSWER_LIMIT` bytes of it."""
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) >= ANSWER_LIMIT:
            response.close()
            break
    return bytes(received[:ANSWER_LIMIT])


def _notice(fetching: asyncio.Task[None]) -> None:
    """Look at a failure for which nobody waits any more; asyncio would complain."""
    if not fetching.cancelled():
        fetching.exception()


def _refusal(status: int, body: bytes) -> str:
    """Why there is no token: OAuth's code and what to mend; the rest of the answer may repeat what we sent."""
    found = re.search(rb'"error"\s*:\s*"([^"]*)"', body)
    code = found.group(1).decode("ascii", "replace") if found else ""
    if not _CODE.fullmatch(code):
        return f"LINE WORKS gave no token: it answered {status}."
    return " ".join(filter(None, (f"LINE WORKS gave no token: it answered {status} {code}.", _MEND.get(code))))
