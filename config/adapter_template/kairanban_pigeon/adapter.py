"""Pigeon: signed webhooks in, calls with an idempotency key out.

The platform spoken to here does not exist. Put yours in its place, one step after the other; `docs/adapters.md` of
Kairanban explains each, and the tests say at every moment what is still missing:

1. the facts in `Capabilities`, 2. `verify`, 3. `parse`, 4. `send`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Retry, Sent
from bot.bounds import bounded
from bot.clock import Clock
from bot.errors import ConfigurationError, MalformedPayload
from bot.events import (
    ButtonPressed,
    Event,
    MemberJoined,
    MessageRead,
    MessageReceived,
    Unknown,
    part,
)
from bot.messages import Message
from bot.retry_after import retry_after
from multidict import CIMultiDict

SIGNATURE = "X-Pigeon-Signature"


class Pigeon:
    """One bot at one service.

    The arguments are the keys of `[adapters.pigeon]` in kairanban.toml; a secret there is `token_file = "…"` as well.
    """

    def __init__(
        self, clock: Clock, base_url: str, token: str, secret: str, *, name: str = "pigeon", timeout: float = 10.0
    ) -> None:
        if not base_url.startswith(("https://", "http://")):
            raise ConfigurationError("base_url must look like https://pigeon.example.jp.")
        self.name = name
        # Step 1. What the platform can do, from its documentation; the house plans with it.
        self.capabilities = Capabilities(
            native_receipts=True, buttons=10, text_length=5_000, deletes=True, idempotent=True, rate=None
        )
        self._clock = clock
        self._messages = base_url.rstrip("/") + "/messages"
        self._token = token
        self._secret = secret.encode()
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:  # without the token
        return f"<Pigeon {self.name} at {self._messages}>"

    # -------------------------------------------------------------- incoming

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        # Step 2. Over the bytes as they came, and compared in constant time.
        expected = hmac.digest(self._secret, body, hashlib.sha256).hex()
        given = CIMultiDict(headers).get(SIGNATURE, "")
        return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())

    def parse(self, body: bytes) -> Sequence[Event]:
        # Step 3. Every event comes out, those that nobody knows as Unknown; a body that is none is MalformedPayload.
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise MalformedPayload(f"The body must be JSON: {error}.") from None
        if not isinstance(document, dict) or not isinstance(document.get("events"), list):
            raise MalformedPayload("The body must be an object with a list of events.")
        return [self._parse_one(event) for event in bounded(document["events"])]

    def _parse_one(self, event: Any) -> Event:
        try:
            room, person = event.get("room"), event["user"]
            common = {
                "adapter": self.name,
                "key": event["id"],  # the same when the platform sends the event again
                "conversation": person if room is None else room,  # in pair talk, the person
                "direct": room is None,
                "occurred_at": event["at"],
            }
            match event["type"]:
                case "message":
                    return MessageReceived(**common, sender=person, message_id=event["message"], text=event["text"])
                case "button":
                    return ButtonPressed(**common, sender=person, message_id=event["message"], data=event["data"])
                case "read":
                    return MessageRead(**common, reader=person, message_id=event["message"])
                case "joined":
                    return MemberJoined(**common, member=person)
                case kind:
                    return self._unknown(event, f"There is no event of the type {str(kind)[:50]!r}.")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return self._unknown(event, f"{type(error).__name__}: {str(error)[:100]}")

    def _unknown(self, event: Any, reason: str) -> Unknown:
        payload = part(event).decode()
        key = event.get("id") if isinstance(event, dict) else None
        return Unknown(
            adapter=self.name,
            key=str(key or hashlib.sha256(payload.encode()).hexdigest()),
            conversation="",
            occurred_at=self._clock.now(),
            payload=payload,
            reason=reason,
        )

    # -------------------------------------------------------------- outgoing

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"}, timeout=self._timeout)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        return [await self._carry_out(delivery) for delivery in batch]

    async def _carry_out(self, delivery: Delivery) -> Outcome:
        # Step 4. Whatever happens is an outcome: Sent, Retry (worth another try) or Rejected (never will be).
        assert self._session is not None, "Await open() before anything is sent."
        try:
            if delivery.action == "delete":
                address = f"{self._messages}/{delivery.message_id}"
                async with self._session.delete(address, allow_redirects=False) as response:
                    if response.status == 204 or (response.status == 404 and _is_in_its_own_words(response)):
                        return Sent()  # taken back already is taken back
                    return _declined(response)
            body = _body(delivery.address.kind, delivery.address.id, delivery.message)
            # The same key in every try, so that a second try can be no second message. A platform without such a key
            # gets Retry(…, uncertain=True) below, and a text that says "again" where `delivery.uncertain` is set.
            headers = {"Idempotency-Key": delivery.key}
            async with self._session.post(
                self._messages, json=body, headers=headers, allow_redirects=False
            ) as response:
                if response.status not in {200, 201}:
                    return _declined(response)
                return Sent((await response.json(content_type=None))["message"])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Retry(f"The service is out of reach ({type(error).__name__}).")  # its own words may hold secrets
        except (KeyError, TypeError, ValueError):
            return Retry("The service's answer could not be read.")


def _body(kind: str, to: str, message: Message) -> dict[str, object]:
    buttons = [{"label": button.label, "data": button.data} for button in message.buttons]
    return {"room" if kind == "room" else "user": to, "text": message.text, "buttons": buttons}


def _declined(response: aiohttp.ClientResponse) -> Retry | Rejected:
    reason = f"The service answered {response.status}."
    if response.status == 429:  # the platform names the wait: a snooze, which counts as no try
        return Retry(reason, after=retry_after(response.headers.get("Retry-After"), datetime.now(UTC)))
    if response.status >= 500 or response.status == 401 or not _is_in_its_own_words(response):
        return Retry(reason)
    return Rejected(reason)


def _is_in_its_own_words(response: aiohttp.ClientResponse) -> bool:
    """Whether the service said it, and not what stands on the way there: a proxy's login page gives nobody up."""
    return response.status >= 400 and response.content_type == "application/json"
