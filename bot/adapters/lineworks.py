"""LINE WORKS, Bot API 2.0: signed callbacks in, messages to people and rooms out.

What the platform does not have is said in `Capabilities`: no read receipts (a button takes their place), nothing can be
taken back, and no key makes a second try harmless. So a try that had no answer is repeated, because a notice must not
be lost, and the repetition says of itself that it may be one.

The platform's names and limits stand in `lineworks_wire`, the way from a callback to events in `lineworks_callbacks`,
the token in `lineworks_auth`.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import orjson
from pydantic import ValidationError
from yarl import URL

from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.adapters import lineworks_board as board_
from bot.adapters import lineworks_wire as wire
from bot.adapters.lineworks_auth import ServiceAccount, TokenProblem, Tokens, read_answer
from bot.adapters.lineworks_callbacks import Callbacks
from bot.bilingual import both
from bot.clock import Clock, SystemClock
from bot.errors import ConfigurationError, KairanbanError
from bot.events import Event
from bot.texts import Texts

PACE = 0.95
"""The share of the platform's limit that is used; the rest is for calls that arrive closer together than they left."""
MINUTE = timedelta(minutes=1)
IDLE_SECONDS = 5.0
"""How long a connection is kept that nobody uses. Were the platform the first to close it, the message that goes out on
it at that moment would be one of which nobody knows whether it arrived."""
KNOWN_FOR = timedelta(minutes=10)
"""How long the size of a room is believed."""

_Page = TypeVar("_Page", bound=wire.Page)


class LineWorks:
    """One bot of one LINE WORKS app.

    `bot_id` and `bot_secret` are the bot's, `account` is the app's. `requests_per_minute` is the plan's limit for one
    operation: 240, or 60 on the free plan; it holds for all processes on one database together. With `staff_numbers`,
    users' external keys are staff numbers, and the app has the scope `user.read`. With `board`, the number of a board,
    notices to `board_from` people or more stand there as must-read posts, and who reads them is told; the app has the
    scope `board`. `api` and `token_url` are other than the platform's own in tests.
    """

    def __init__(
        self,
        bot_id: str,
        bot_secret: str,
        account: ServiceAccount,
        *,
        name: str = "lineworks",
        clock: Clock | None = None,
        texts: Texts | None = None,
        requests_per_minute: int = wire.REQUESTS_PER_MINUTE,
        staff_numbers: bool = False,
        board: int | None = None,
        board_from: int = board_.FROM,
        timeout: timedelta = timedelta(seconds=15),
        api: str = wire.API,
        token_url: str = wire.TOKEN_URL,
    ) -> None:
        if not bot_id.isascii() or not bot_id.isdigit():
            raise ConfigurationError(both("bot", "adapter.lineworks_id"))
        if not bot_secret or any(letter.isspace() for letter in bot_secret):
            raise ConfigurationError(both("bot", "adapter.lineworks_secret"))
        if requests_per_minute < 1:
            raise ConfigurationError(both("bot", "adapter.lineworks_rate"))
        self.name = name
        self._clock = clock or SystemClock()
        self._again = (texts or Texts("bot"))("delivery.perhaps_again", text="")
        self.capabilities = Capabilities(
            room_size=wire.QUIET_ROOM - 1,
            buttons=wire.BUTTONS,
            text_length=wire.TEXT_LENGTH - len(self._again),
            rate=requests_per_minute * PACE / 60,
            sustained=requests_per_minute / 2 / 60,
            concurrency=16,
        )
        self._bot_id = bot_id
        self._secret = bot_secret
        self._callbacks = Callbacks(name, bot_id, self._clock, self._secret)
        self._staff_numbers = staff_numbers
        scopes = [wire.SCOPE, *([wire.PEOPLE_SCOPE] if staff_numbers else []), *([board_.SCOPE] if board else [])]
        self._tokens = Tokens(account, self._clock, token_url, " ".join(scopes))
        self._board = None
        if board is not None:
            if board < 1 or board_from < 1:
                raise ConfigurationError("board of lineworks is the number of a board, and board_from is 1 or more.")
            self._board = board_.Board(
                name, board, self._clock, partial(self._call, "POST"), self._pages, at_least=board_from
            )
        self._api = api.rstrip("/")
        self._bot = f"/bots/{bot_id}"
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds(), sock_connect=timeout.total_seconds() / 2)
        self._session: aiohttp.ClientSession | None = None
        self._sizes: dict[str, tuple[datetime, int]] = {}

    def __repr__(self) -> str:
        return f"<LineWorks {self.name}, bot {self._bot_id}>"

    # ------------------------------------------------------------- incoming

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the callback is for this bot, and `X-WORKS-Signature` is that of these raw bytes."""
        given = {name.lower(): value for name, value in headers.items()}
        right_bot = given.get(wire.BOT_HEADER.lower()) == self._bot_id
        signed = given.get(wire.SIGNATURE_HEADER.lower(), "").encode("utf-8", "replace")
        return hmac.compare_digest(signed, wire.signature(self._secret, body).encode()) and right_bot

    def parse(self, body: bytes) -> Sequence[Event]:
        """The event of a callback; several where several people joined or left at once."""
        return self._callbacks.events(body)

    # ------------------------------------------------------------- outgoing

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.capabilities.concurrency + 8, keepalive_timeout=IDLE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Send each delivery; the platform takes one a call."""
        return [await self._carry_out(delivery) for delivery in batch]

    async def _carry_out(self, delivery: Delivery) -> Outcome:
        if delivery.action == "delete":
            return Rejected("LINE WORKS cannot take a bot's message back.")
        address, message = delivery.address, delivery.message
        text = f"{self._again}{message.text}" if delivery.uncertain else message.text
        try:
            body = orjson.dumps({"content": wire.content(text, message.buttons)})
        except ValueError as error:
            return Rejected(str(error))
        try:
            if address.kind == "room" and message.reference is not None and await self._is_quiet(address.id):
                return Rejected(
                    f"This room has {wire.QUIET_ROOM} members or more, so LINE WORKS would not notify anybody. "
                    "Send the notice to the people instead."
                )
            kind = "channels" if address.kind == "room" else "users"
            await self._call("POST", f"{self._bot}/{kind}/{_segment(address.id)}/messages", body)
        except _Declined as declined:
            return declined.outcome
        # Messages have no ids here; what may come to stand on the board goes by that.
        return Sent((self._board and self._board.note(delivery)) or delivery.key)

    async def listen(self, take: Callable[[Sequence[Event]], Awaitable[None]]) -> None:
        """Tell who has read what stands on the board, where the settings name one."""
        if self._board is not None:
            await self._board.listen(take)

    async def room_members(self, room: str) -> Sequence[str]:
        """Who is in a room in which the bot is. Raises KairanbanError if the platform does not say."""
        path = f"{self._bot}/channels/{_segment(room)}/members"
        return [member async for page in self._pages(path, wire.MembersPage) for member in page.members]

    async def people(self) -> Mapping[str, str]:
        """User ids by staff number, where the settings say that external keys are such; else nobody.

        Raises KairanbanError if the platform does not say.
        """
        if not self._staff_numbers:
            return {}
        users = [user async for page in self._pages("/users", wire.UsersPage) for user in page.users]
        return {key: user.user_id for user in users if (key := user.user_external_key) and not user.is_deleted}

    async def _pages(self, path: str, shape: type[_Page]) -> AsyncIterator[_Page]:
        # Of the readers of a post, the platform chooses how many come at once.
        count = "" if shape is wire.ReadersPage else f"count={wire.PAGE}"
        query, seen = f"?{count}" if count else "", set[str]()
        while True:
            answer = await self._call("GET", path + query)
            try:
                page = shape.model_validate_json(answer)
            except ValidationError:
                raise _Declined(Retry("LINE WORKS answered with a list that cannot be read.")) from None
            yield page
            cursor = page.response_meta_data.next_cursor
            if not cursor or cursor in seen:
                return
            seen.add(cursor)
            query = "?" + "&".join(filter(None, (count, f"cursor={_segment(cursor)}")))

    async def _is_quiet(self, room: str) -> bool:
        """Whether a message into this room makes no telephone ring."""
        known = self._sizes.get(room)
        if known is None or self._clock.now() >= known[0]:
            known = (self._clock.now() + KNOWN_FOR, len(await self.room_members(room)))
            self._sizes[room] = known
        return known[1] >= wire.QUIET_ROOM

    async def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """One call, once more with a new token if the platform refuses ours. Raises `_Declined`."""
        if self._session is None:
            raise KairanbanError(f"Adapter {self.name} is not open; await its open() before anything is sent.")
        token = ""
        for _ in range(2):
            try:
                token = await self._tokens.get(self._session, refused=token)
            except TokenProblem as problem:
                raise _Declined(Retry(str(problem))) from None
            status, answer, reset = await self._request(self._session, method, path, body, token)
            if status != 401:
                break
        if _is_success(method, status, answer):
            return answer
        raise _Declined(_outcome(status, answer, reset, acts=method != "GET"))

    async def _request(
        self, session: aiohttp.ClientSession, method: str, path: str, body: bytes | None, token: str
    ) -> tuple[int, bytes, str | None]:
        headers = {"Authorization": f"Bearer {token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = URL(self._api + path, encoded=True)
        try:
            async with session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
                return response.status, await read_answer(response), response.headers.get("rateLimit-reset")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _Declined(Retry(f"LINE WORKS cannot be reached ({type(error).__name__}).")) from None
        except TimeoutError:
            raise _Declined(Retry("LINE WORKS did not answer in time.", uncertain=method != "GET")) from None
        except (aiohttp.ClientError, OSError) as error:
            reason = f"The connection to LINE WORKS was cut ({type(error).__name__})."
            raise _Declined(Retry(reason, uncertain=method != "GET")) from None


class _Declined(KairanbanError):
    """A call that came to nothing, as the outcome that it is for a delivery."""

    def __init__(self, outcome: Retry | Rejected) -> None:
        self.outcome = outcome
        super().__init__(outcome.reason)


def _is_success(method: str, status: int, answer: bytes) -> bool:
    """Whether LINE WORKS has done it: what is made is answered 201, what was asked is answered in JSON."""
    if not 200 <= status < 300:
        return False
    if method == "GET":
        return answer.startswith(b"{")
    return not answer or (status == 201 and answer.startswith(b"{"))


def _outcome(status: int, answer: bytes, reset: str | None, *, acts: bool) -> Retry | Rejected:
    """What an answer other than success means; `acts`: the call would have changed something."""
    problem = _problem(answer)
    words = ": ".join(filter(None, (problem.code[:100], problem.description[:400].rstrip("."))))
    reason = f"LINE WORKS answered {status}{' ' if words else ''}{words}."
    if 200 <= status < 300:
        return Retry(f"{reason} It could not be read.", uncertain=acts)
    if status == 429 and (problem.code or reset is not None):
        return Retry(reason, after=_wait(reset))
    if status >= 500 or status == 408:
        return Retry(reason, uncertain=acts)
    if status < 400 or not problem.code:
        # A proxy, or somebody's login page: what stands there says nothing about the message.
        return Retry(reason)
    if status == 401:  # with a new token, too: the app or its scopes are being changed
        return Retry(reason)
    return Rejected(reason, gone=acts and status == 404)


def _problem(answer: bytes) -> wire.Problem:
    """What LINE WORKS says is wrong; without a code if it was not LINE WORKS that answered."""
    try:
        return wire.Problem.model_validate_json(answer)
    except ValidationError:
        return wire.Problem()


def _wait(reset: str | None) -> timedelta:
    """`rateLimit-reset` in seconds, at most the minute for which the limit counts; that minute if it says nothing."""
    try:
        return min(max(timedelta(seconds=float(reset or "")), timedelta(seconds=1)), MINUTE)
    except (ValueError, OverflowError):
        return MINUTE


def _segment(value: str) -> str:
    """A value as one segment of an address, or of its query."""
    return quote(value, safe="")
