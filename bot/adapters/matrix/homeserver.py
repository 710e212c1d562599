"""Calls to the homeserver as the bot: the application service's token, speaking as one of its users.

With a device, too: on Synapse, a transaction id is remembered beyond a restart (for a day) only for a user with a
device; without one, a message whose answer was lost with the server would be sent twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from bot.adapter import Rejected, Retry
from bot.errors import KairanbanError

ANSWER_LIMIT = 64 * 1_024 * 1_024
"""Bytes that an answer may have: the first `/sync` of a bot with thousands of rooms has many."""
DEVICE = "KAIRANBAN"
_GONE = {"M_FORBIDDEN", "M_INVITE_BLOCKED", "M_NOT_FOUND"}
"""What is answered where the person has no account, or will not have us, or the bot is no longer in the room."""


class MatrixProblem(KairanbanError):
    """The homeserver declined a call, or did not answer (`status` None); `wait` is the pause that it named."""

    def __init__(
        self, reason: str, status: int | None = None, errcode: str = "", wait: timedelta | None = None
    ) -> None:
        self.status = status
        self.errcode = errcode
        self.wait = wait
        super().__init__(reason)

    @property
    def is_passing(self) -> bool:
        """Whether another try may succeed."""
        # 401: the registration is being renewed. A success that cannot be read comes again under the same key.
        status = self.status
        if status is None or status < 400 or status >= 500 or status in {401, 408, 429}:
            return True
        # A proxy, or somebody's login page, or a server that does not serve this: it says nothing about the message.
        return not self.errcode or self.errcode == "M_UNRECOGNIZED"

    def as_outcome(self) -> Retry | Rejected:
        """What it means for a delivery."""
        reason = str(self)
        if self.status == 429 and (self.errcode or self.wait):
            return Retry(reason, after=self.wait)
        return Retry(reason) if self.is_passing else Rejected(reason, gone=self.errcode in _GONE)


class Homeserver:
    """`call` is one request; `on_gap` is called when one found nobody there: what was on its way to us may be lost."""

    def __init__(self, root: str, token: str, user: str, *, timeout: timedelta, on_gap: Callable[[], None]) -> None:
        self._root = root
        self._token = token
        self._user = user
        self._timeout = timeout.total_seconds()
        self._on_gap = on_gap
        self._session: aiohttp.ClientSession | None = None
        self.with_device = False

    async def open(self, connections: int) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Authorization": f"Bearer {self._token}"},
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        *path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        version: str = "v3",
        patience: float = 1,
    ) -> dict[str, Any]:
        """One request to `/_matrix/client/…/path`, its parts not yet quoted; the answer. Raises `MatrixProblem`.

        `patience` multiplies the time limit, for what takes long by nature.
        """
        if self._session is None:
            raise KairanbanError("The Matrix adapter is not open; await its open() before anything is sent.")
        asked = {"user_id": self._user} | ({"device_id": DEVICE} if self.with_device else {}) | dict(query or {})
        url = URL(
            f"{self._root}/_matrix/client/{version}/" + "/".join(quote(part, safe="") for part in path), encoded=True
        )
        try:
            async with self._session.request(
                method,
                url.with_query(asked),
                data=None if body is None else orjson.dumps(body),
                headers={} if body is None else {"Content-Type": "application/json"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._timeout * patience),
            ) as response:
                status, answer = response.status, await _read(response)
        except TimeoutError:
            raise MatrixProblem("The homeserver did not answer in time.") from None
        except (aiohttp.ClientError, OSError) as error:
            self._on_gap()
            # The error's own text could hold an address; its type says enough.
            raise MatrixProblem(f"The connection to the homeserver failed ({type(error).__name__}).") from None
        return understood(status, answer)

    async def call_unless(
        self, errcode: str, method: str, *path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer to a call, or nothing where it fails for this one reason."""
        try:
            return await self.call(method, *path, body=body)
        except MatrixProblem as problem:
            if problem.errcode == errcode:
                return {}
            raise


async def _read(response: aiohttp.ClientResponse) -> bytes:
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > ANSWER_LIMIT:
            response.close()
            break
    return bytes(received)


def understood(status: int, answer: bytes) -> dict[str, Any]:
    """The object that an answer carries. Raises `MatrixProblem` for one that says no or says nothing readable."""
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        document = None
    known = document if isinstance(document, dict) else {}
    if 200 <= status < 300:
        if not isinstance(document, dict):
            raise MatrixProblem("The homeserver's answer could not be read.", status)
        return known
    errcode = str(known.get("errcode") or "")[:100]
    said = f": {errcode} {str(known.get('error') or '')[:300]}".rstrip() if errcode else "."
    raise MatrixProblem(
        f"The homeserver answered {status}{said}",
        status,
        errcode,
        _wait(known.get("retry_after_ms")) if errcode else None,
    )


def _wait(milliseconds: object) -> timedelta:
    """`retry_after_ms`, within a second and an hour; five seconds if it says nothing usable."""
    if not isinstance(milliseconds, int | float) or isinstance(milliseconds, bool) or not math.isfinite(milliseconds):
        return timedelta(seconds=5)
    return timedelta(milliseconds=min(max(milliseconds, 1_000), 3_600_000))
