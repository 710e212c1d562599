"""LoGoチャット-compatible services: signed callbacks in, calls with idempotency keys out.

The names of the wire stand in `bot.adapters.logochat_wire`; this module joins them to the house's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import aiohttp
import orjson
import structlog
from pydantic import BaseModel, ValidationError
from yarl import URL

from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.adapters import logochat_wire as wire
from bot.adapters.logochat_answers import ANSWER_LIMIT, NEVER_ARRIVED, declined, describe, is_the_services, read, reason
from bot.adapters.logochat_callbacks import Callbacks
from bot.adapters.logochat_files import Files
from bot.adapters.posting import Poster
from bot.attachments import Shelf
from bot.bilingual import both
from bot.clock import Clock, SystemClock
from bot.errors import ConfigurationError, KairanbanError, NotOnShelf
from bot.events import Event
from bot.messages import Address, Attachment, Message

_Answer = TypeVar("_Answer", bound=BaseModel)
_Part = TypeVar("_Part")

log = structlog.get_logger(__name__)


class ServiceProblem(KairanbanError):
    """The chat service declined a call outside the outbox; `status` is None where no answer came."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(reason)


class LogoChat:
    """One bot account at a LoGoチャット-compatible service.

    `base_url` is the service's root, such as `https://chat.example.jp`; `token` and `secret` are those that its
    administrator gave out for this bot. `name` tells two accounts apart.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        secret: str,
        *,
        name: str = "logochat",
        clock: Clock | None = None,
        timeout: timedelta = timedelta(seconds=10),
        concurrency: int = 32,
        rate: float | None = None,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(
            room_size=wire.ROOM_SIZE,
            native_receipts=True,
            buttons=wire.BUTTONS,
            text_length=wire.TEXT_LENGTH,
            deletes=True,
            idempotent=True,
            rate=rate,
            concurrency=concurrency,
        )
        root = _checked_root(base_url)
        for what, value in (("token", token), ("secret", secret)):
            if not value or not value.isascii() or any(letter.isspace() for letter in value):
                raise ConfigurationError(both("bot", "adapter.logochat_secret", what=what, name=name))
        self._api = root / wire.BOT_PREFIX.strip("/")
        self._messages = self._api / "messages"
        self._token = token
        self._clock = clock or SystemClock()
        self._callbacks = Callbacks(name, secret, self._clock)
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._session: aiohttp.ClientSession | None = None
        self._files: Files | None = None
        self._composed_for: Message | None = None
        self._words = b""
        self._poster: Poster | None = None  # for messages, of which there are many; the session is for all else

    def carry(self, shelf: Shelf) -> None:
        """Send files from this shelf; each content goes to the service once and is named in every message."""
        self._files = Files(shelf, self._api / "files")
        self.capabilities = replace(self.capabilities, attachments=wire.FILES)

    def __repr__(self) -> str:
        return f"<LogoChat {self.name} at {self._api}>"

    # ------------------------------------------------------------- incoming

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether `X-Chat-Signature` is the HMAC-SHA256 of these raw bytes under the bot's secret."""
        return self._callbacks.verify(headers, body)

    def parse(self, body: bytes) -> Sequence[Event]:
        """The events of a callback; one that cannot be read becomes `Unknown`, and the others stand."""
        return self._callbacks.parse(body)

    # ------------------------------------------------------------- outgoing

    async def open(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.capabilities.concurrency + 8),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            headers=headers,
        )
        seconds = self._timeout.total
        assert seconds is not None
        self._poster = Poster(self._messages, headers, timeout=seconds, limit=ANSWER_LIMIT)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._poster is not None:
            await self._poster.close()
            self._poster = None

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Send or take back each delivery; the service takes one a call."""
        return [await self._carry_out(delivery) for delivery in batch]

    async def _carry_out(self, delivery: Delivery) -> Outcome:
        headers = {wire.IDEMPOTENCY_HEADER: delivery.key}
        try:
            if delivery.action == "delete":
                if delivery.message_id is None:
                    return Rejected("There is no message id to take back.")
                status, answer, wait = await self._call("DELETE", self._messages / delivery.message_id, headers, None)
                # Taken back already is taken back.
                gone = status in {404, 410} and is_the_services(status, answer)
                return Sent() if status == 204 or gone else self._declined(status, answer, wait)
            message = delivery.message
            if message.attachments and self._files is None:
                return Rejected("This bot has been given no place from which it could send files.")
            if message.attachments and (obstacle := await self._put_files(message)) is not None:
                if isinstance(obstacle, Retry):
                    return obstacle
                log.error("logochat.without_files", key=delivery.key, reason=obstacle.reason)
                message = message.words_alone()
            status, answer, answered = await self._opened(self._poster).post(
                self._send_body(delivery.address, message), headers
            )
            wait = answered.get("Retry-After")
            if status == 409 and self._files is not None:
                self._files.forget(delivery.message.attachments)  # the service has dropped one of them
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Retry(describe(error), uncertain=not isinstance(error, NEVER_ARRIVED))
        if status == 422 and message is not delivery.message and delivery.uncertain and is_the_services(status, answer):
            return Sent()  # our key came with other words before: with the files, in a try that had no answer
        if not 200 <= status < 300:
            return self._declined(status, answer, wait, gone=status in {403, 404, 410})
        try:
            return Sent(str(orjson.loads(answer)["message_id"]))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            # Without the id, reads and deletions could not be matched; the same key asks for the answer again.
            return Retry("The service took the message but its answer could not be read.", uncertain=True)

    def _send_body(self, address: Address, message: Message) -> bytes:
        """A `SendMessage` as JSON. A notice goes to hundreds with the same words: they are put together once."""
        if message is not self._composed_for:
            self._composed_for, self._words = message, _composed(message)
        to = b'{"room_id":' if address.kind == "room" else b'{"user_id":'
        return b"%s%s,%s" % (to, orjson.dumps(address.id), self._words)

    async def _put_files(self, message: Message) -> Retry | Rejected | None:
        """Have a message's files at the service before it names them; None once they are there.

        `Rejected` is about the files alone: the words are to arrive whatever becomes of them.
        """
        assert self._files is not None
        session = self._opened(self._session)
        for attachment in message.attachments:
            try:
                refused = await self._files.put(session, attachment)
            except NotOnShelf as error:
                return Rejected(str(error))
            if refused is not None:
                return self._declined(*refused)
        return None

    async def _call(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes, str | None]:
        session = self._opened(self._session)
        async with session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
            return response.status, await read(response), response.headers.get("Retry-After")

    def _opened(self, part: _Part | None) -> _Part:
        if part is None:
            raise KairanbanError(f"Adapter {self.name} is not open; await its open() before anything is sent.")
        return part

    def _declined(self, status: int, answer: bytes, wait: str | None, *, gone: bool = False) -> Retry | Rejected:
        return declined(status, answer, wait, self._clock.now(), gone=gone)

    # -------------------------------------------------- rooms, reads, people

    async def create_room(self, title: str, members: Sequence[str], *, key: str) -> str:
        # Whoever joins later must not see old notices: an old alarm that looks new is worse than none.
        room = wire.CreateRoom(title=title, members=list(members), history="hidden")
        return (await self._ask(wire.RoomAnswer, "POST", self._api / "rooms", room, key=key)).room_id

    async def add_to_room(self, room: str, members: Sequence[str]) -> None:
        await self._change_members("POST", room, members)

    async def remove_from_room(self, room: str, members: Sequence[str]) -> None:
        await self._change_members("DELETE", room, members)

    async def room_members(self, room: str) -> Sequence[str]:
        return (await self._ask(wire.RoomAnswer, "GET", self._api / "rooms" / room)).members

    async def fetch_files(self, message_id: str) -> Sequence[Attachment]:
        """The files that somebody sent to the bot in a message, now on the shelf."""
        if self._files is None or self._session is None:
            return []
        url = self._messages / message_id / "files"
        listed = (await self._ask(wire.FilesAnswer, "GET", url)).files
        return [await self._files.fetch(self._session, url / each.file_id, each.name) for each in listed]

    async def readers(self, message_id: str) -> Sequence[str]:
        return (await self._ask(wire.ReadsAnswer, "GET", self._messages / message_id / "reads")).readers

    async def users(self, *, page: int = 500) -> AsyncIterator[wire.UserAnswer]:
        """Everybody whom the service knows; `login` is the staff number."""
        url = (self._api / "users").with_query(limit=page)
        cursor: str | None = None
        while True:
            answer = await self._ask(
                wire.UsersAnswer, "GET", url if cursor is None else url.update_query(cursor=cursor)
            )
            for user in answer.users:
                yield user
            if answer.next_cursor is None or answer.next_cursor == cursor:
                return
            cursor = answer.next_cursor

    async def people(self) -> Mapping[str, str]:
        return {user.login: user.user_id async for user in self.users()}

    async def _change_members(self, method: str, room: str, members: Sequence[str]) -> None:
        url = self._api / "rooms" / room / "members"
        for start in range(0, len(members), wire.ROOM_SIZE):
            change = wire.ChangeMembers(members=list(members[start : start + wire.ROOM_SIZE]))
            await self._request(method, url, change)

    async def _ask(
        self, shape: type[_Answer], method: str, url: URL, question: BaseModel | None = None, *, key: str | None = None
    ) -> _Answer:
        answer = await self._request(method, url, question, key=key)
        try:
            return shape.model_validate_json(answer)
        except ValidationError as error:
            raise ServiceProblem(
                f"The service's answer to {method} {url.path} is no {shape.__name__} ({error.error_count()} mistakes)."
            ) from None

    async def _request(self, method: str, url: URL, question: BaseModel | None, *, key: str | None = None) -> bytes:
        headers = {} if key is None else {wire.IDEMPOTENCY_HEADER: key}
        body = None if question is None else question.model_dump_json(exclude_defaults=True).encode()
        try:
            status, answer, _ = await self._call(method, url, headers, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ServiceProblem(f"{method} {url.path}: {describe(error)}") from None
        if not 200 <= status < 300:
            own = is_the_services(status, answer) or status >= 500
            raise ServiceProblem(f"{method} {url.path}: {reason(status, answer)}", status if own else None)
        return answer


def _checked_root(base_url: str) -> URL:
    try:
        root = URL(base_url)
    except ValueError:
        root = URL()
    if root.scheme not in {"http", "https"} or not root.host or root.user or root.query_string or root.fragment:
        raise ConfigurationError(both("bot", "adapter.logochat_url"))
    return root


def _composed(message: Message) -> bytes:
    """What a `SendMessage` says, without its beginning: to whom."""
    body: dict[str, object] = {"text": message.text}
    if message.buttons:
        body["buttons"] = [{"label": button.label, "data": button.data} for button in message.buttons]
    if message.attachments:
        body["files"] = [{"sha256": each.sha256, "name": each.name} for each in message.attachments]
    if message.mentions:
        body["mentions"] = message.mentions
    if message.quote is not None:
        body["quote"] = message.quote
    if message.reference is not None:
        body["reference"] = message.reference
    return orjson.dumps(body)[1:]
