"""A chat platform in memory: everything that a real one can do, and nothing leaves the process."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Sent
from bot.clock import Clock
from bot.errors import MalformedPayload
from bot.events import Event
from bot.messages import Address, Button, Message

SIGNATURE_HEADER = "X-Fake-Signature"

CAPABILITIES = Capabilities(room_size=350, native_receipts=True, buttons=10, deletes=True, idempotent=True)

_EVENTS: TypeAdapter[list[Event]] = TypeAdapter(list[Event])


@dataclass(slots=True, eq=False)
class SentMessage:
    """A message as the platform got it."""

    id: str
    address: Address
    message: Message
    sent_at: datetime
    deleted: bool = False

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def buttons(self) -> tuple[Button, ...]:
        return self.message.buttons

    @property
    def reference(self) -> str | None:
        return self.message.reference


@dataclass(eq=False)
class FakePlatform:
    """An adapter for tests: rooms of 350, buttons, read receipts, deletions, idempotent; or other `capabilities`.

    `sent` is everything it got. `respond`, if set, is asked before a delivery is carried out, and the outcome it
    returns, if any, is the answer: `platform.respond = lambda delivery: Retry("busy")`.
    """

    clock: Clock
    name: str = "fake"
    secret: str = "fake-secret"  # noqa: S105 - signs requests of tests only
    capabilities: Capabilities = CAPABILITIES
    sent: list[SentMessage] = field(default_factory=list)
    rooms: dict[str, list[str]] = field(default_factory=dict)
    respond: Callable[[Delivery], Outcome | None] | None = None
    is_open: bool = False
    _by_key: dict[str, SentMessage] = field(default_factory=dict)
    _room_keys: dict[str, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    # ------------------------------------------------------------------ in

    def sign(self, body: bytes) -> dict[str, str]:
        """The headers of a request that `verify` accepts."""
        return {SIGNATURE_HEADER: hmac.digest(self.secret.encode(), body, hashlib.sha256).hex()}

    def encode(self, *events: Event) -> bytes:
        """The body of a webhook request with these events."""
        return _EVENTS.dump_json(list(events))

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        given = headers.get(SIGNATURE_HEADER, "")
        return hmac.compare_digest(given.encode(), self.sign(body)[SIGNATURE_HEADER].encode())

    def parse(self, body: bytes) -> Sequence[Event]:
        try:
            return _EVENTS.validate_json(body)
        except ValidationError as error:
            raise MalformedPayload("The body is no list of events.") from error

    # ----------------------------------------------------------------- out

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        return [self._carry_out(delivery) for delivery in batch]

    def _carry_out(self, delivery: Delivery) -> Outcome:
        if self.respond is not None and (outcome := self.respond(delivery)) is not None:
            return outcome
        if delivery.action == "delete":
            message = self.find(delivery.message_id or "")
            if message is None:
                return Rejected("There is no such message.")
            message.deleted = True
            return Sent()
        if delivery.key not in self._by_key:
            message = SentMessage(f"m{next(self._numbers)}", delivery.address, delivery.message, self.clock.now())
            self._by_key[delivery.key] = message
            self.sent.append(message)
        return Sent(self._by_key[delivery.key].id)

    def find(self, message_id: str) -> SentMessage | None:
        """The message with an id, or None."""
        return next((message for message in self.sent if message.id == message_id), None)

    # --------------------------------------------------------------- rooms

    async def create_room(self, title: str, members: Sequence[str], *, key: str) -> str:
        if key not in self._room_keys:
            room = self._room_keys[key] = f"r{next(self._numbers)}"
            self.rooms[room] = list(members)
        return self._room_keys[key]

    async def add_to_room(self, room: str, members: Sequence[str]) -> None:
        self.rooms[room] = list(dict.fromkeys([*self.rooms[room], *members]))

    async def remove_from_room(self, room: str, members: Sequence[str]) -> None:
        self.rooms[room] = [member for member in self.rooms[room] if member not in members]

    async def room_members(self, room: str) -> Sequence[str]:
        return tuple(self.rooms[room])
