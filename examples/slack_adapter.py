"""Slack behind Kairanban's contract: a worked example of an adapter, small enough to read in one sitting.

Slack's settings: the Request URL `https://<your bot>/webhooks/slack` under both Event Subscriptions and Interactivity;
the bot events `message.im`, `app_mention`, `member_joined_channel` and `member_left_channel`; the scope `chat:write`.
People write `／ping` with a full-width stroke: Slack keeps words that begin with `/` for its own commands.

    SLACK_TOKEN=xoxb-… SLACK_SIGNING_SECRET=… python -m examples.slack_adapter

Rules are from Slack's public documentation (docs.slack.dev), whose pages are named beside them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import orjson
from multidict import CIMultiDict

from bot import Bot, MalformedPayload
from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Reply, Retry, Sent
from bot.bounds import bounded
from bot.clock import Clock, SystemClock
from bot.events import ButtonPressed, Event, MemberJoined, MemberLeft, MessageReceived, MessageUnsent, Unknown, Unused
from bot.retry_after import retry_after

API = "https://slack.com/api"
WINDOW = timedelta(minutes=5)  # what is older may be a replay (Verifying requests from Slack)
SECTION = 3_000  # characters in a block (Block Kit, section)
# Errors after which the thing may be done all the same, and those that pass or that people mend at the app.
UNCERTAIN = {"fatal_error", "internal_error", "request_timeout", "service_unavailable"}
MISTAKES = (AttributeError, KeyError, OSError, OverflowError, TypeError, ValueError)
PASSING = {"rate_limited", "ratelimited", "invalid_auth", "missing_scope", "token_expired", "token_revoked"}


class Slack:
    """One bot in one Slack workspace. `token` is its bot token, `secret` the app's signing secret."""

    def __init__(self, token: str, secret: str, clock: Clock, *, api: str = API, timeout: float = 10.0) -> None:
        self.name = "slack"
        # No receipts and no idempotency key. A text has 40,000 signs at most, of which an escaped `&` takes five.
        self.capabilities = Capabilities(buttons=25, text_length=7_500, deletes=True, rate=5.0, concurrency=8)
        self._headers, self._secret = {"Authorization": f"Bearer {token}"}, secret.encode()
        self._clock, self._api, self._timeout = clock, api, aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the signature is right and the timestamp, which is signed with the body, is a recent one."""
        given = CIMultiDict(headers)
        timestamp, signature = given.get("X-Slack-Request-Timestamp", ""), given.get("X-Slack-Signature", "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
            return False
        if abs(self._clock.now() - datetime.fromtimestamp(int(timestamp), UTC)) > WINDOW:
            return False
        expected = "v0=" + hmac.digest(self._secret, b"v0:%s:%s" % (timestamp.encode(), body), hashlib.sha256).hex()
        return hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode())

    def answer(self, method: str, path: str, body: bytes) -> Reply | None:
        """Send the challenge back with which Slack tries a new Request URL; all else is the usual."""
        if path or method != "POST" or b"url_verification" not in body:
            return None
        challenge = _envelope(body).get("challenge")
        return None if challenge is None else Reply(orjson.dumps({"challenge": challenge}))

    def parse(self, body: bytes) -> Sequence[Event]:
        """The events of an envelope; none for what the bot did itself, nor for talk in channels that is not for it."""
        envelope = _envelope(body)
        try:
            if envelope["type"] == "event_callback":
                return self._parse_event(envelope)
            if envelope["type"] == "block_actions":
                return [self._parse_action(envelope, action) for action in bounded(list(envelope["actions"]))]
        except MISTAKES as error:
            return [self._kept(Unknown, envelope, f"{type(error).__name__}: {str(error)[:100]}")]
        challenge = envelope["type"] == "url_verification"
        return [] if challenge else [self._kept(Unknown, envelope, "There is no envelope of this type.")]

    def _parse_event(self, envelope: Mapping[str, Any]) -> list[Event]:
        event = envelope["event"]
        kind = f"{event['type']}/{event['subtype']}" if event.get("subtype") else event["type"]
        before = event.get("previous_message", {})
        bots = {each["user_id"] for each in envelope.get("authorizations", []) if each.get("is_bot")}
        person, channel = event.get("user", before.get("user")), event["channel"]
        direct = event.get("channel_type") == "im"
        if "bot_id" in event or "bot_id" in before or person in bots or (event["type"] == "message" and not direct):
            return []  # bots that answer each other never stop; talk in a channel for the bot is an app_mention as well
        # Slack sends an event up to three times more, under the same event_id.
        common = self._common(envelope["event_id"], person, channel, direct, envelope["event_time"])
        match kind:
            case "message" | "message/file_share" | "app_mention":
                text = re.sub("<@([^>]*)>", lambda found: "" if found[1] in bots else found[0], event.get("text", ""))
                said = {"text": unescape(text).strip(), "files": len(event.get("files", []))}
                return [MessageReceived(**common, sender=person, message_id=f"{channel}:{event['ts']}", **said)]
            case "message/message_deleted":
                return [MessageUnsent(**common, message_id=f"{channel}:{event['deleted_ts']}")]
            case "member_joined_channel":
                return [MemberJoined(**common, member=person)]
            case "member_left_channel":
                return [MemberLeft(**common, member=person)]
        edited = kind == "message/message_changed"  # known, and not for us: it was answered when it was said
        return [self._kept(Unused if edited else Unknown, envelope, "There is no use for an event of this type.")]

    def _parse_action(self, envelope: Mapping[str, Any], action: Mapping[str, Any]) -> Event:
        try:
            return self._pressed(envelope, action)
        except MISTAKES as error:  # the others in the same envelope stand
            alone = {**envelope, "actions": [action]}
            return self._kept(Unknown, alone, f"{type(error).__name__}: {str(error)[:100]}")

    def _pressed(self, envelope: Mapping[str, Any], action: Mapping[str, Any]) -> Event:
        person, channel = envelope["user"]["id"], envelope["container"]["channel_id"]
        key, message_id = f"{person}:{action['action_ts']}", f"{channel}:{envelope['container']['message_ts']}"
        common = self._common(key, person, channel, channel.startswith("D"), action["action_ts"])
        return ButtonPressed(**common, sender=person, message_id=message_id, data=action["value"])

    def _common(self, key: str, person: str, channel: str, direct: bool, seconds: str) -> dict[str, Any]:
        where = {"conversation": person if direct else channel, "direct": direct}
        return {"adapter": self.name, "key": key, "occurred_at": datetime.fromtimestamp(float(seconds), UTC), **where}

    def _kept(self, as_what: type[Unknown | Unused], envelope: Mapping[str, Any], reason: str) -> Event:
        payload = orjson.dumps(envelope).decode()
        key, now = str(envelope.get("event_id") or hashlib.sha256(payload.encode()).hexdigest()), self._clock.now()
        return as_what(adapter=self.name, key=key, conversation="", occurred_at=now, payload=payload, reason=reason)

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=self._timeout)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        return [await self._call(*_request(delivery)) for delivery in batch]

    async def _call(self, method: str, arguments: Mapping[str, object]) -> Outcome:
        assert self._session is not None, "Await open() before anything is sent."
        try:
            async with self._session.post(f"{self._api}/{method}", json=arguments, allow_redirects=False) as response:
                if response.status == 429:
                    return Retry(
                        "Slack is busy.", after=retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
                    )
                if response.status != 200:  # what Slack declines comes as a 200, so this is a fault of the way
                    return Retry(f"Slack answered {response.status}.", uncertain=response.status >= 500)
                answer = await response.json(content_type=None)
                if answer["ok"]:  # a ts is unique in its channel only
                    return Sent(f"{answer['channel']}:{answer['ts']}")
                error = str(answer["error"])[:100]
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            reached = not isinstance(failure, aiohttp.ClientConnectorError)
            return Retry(f"Slack: {type(failure).__name__}", uncertain=reached)
        except (KeyError, TypeError, ValueError):
            return Retry("Slack's answer could not be read.", uncertain=True)
        if (method, error) == ("chat.delete", "message_not_found"):
            return Sent()  # taken back already is taken back
        if error in UNCERTAIN | PASSING:
            return Retry(f"Slack: {error}", uncertain=error in UNCERTAIN)
        return Rejected(f"Slack: {error}")


def _envelope(body: bytes) -> dict[str, Any]:
    """The JSON document of a request, which comes as it is or as the form field `payload` (Handling interactions)."""
    try:
        document = orjson.loads(
            parse_qs(body.decode(), max_num_fields=10)["payload"][0] if body.startswith(b"payload=") else body
        )
    except (KeyError, ValueError) as error:
        raise MalformedPayload(f"The body must be JSON, or a form with JSON in it: {type(error).__name__}.") from None
    if not isinstance(document, dict) or "type" not in document:
        raise MalformedPayload("The body must be an object with a type.")
    return document


def _request(delivery: Delivery) -> tuple[str, dict[str, object]]:
    """The method of the Web API and its arguments."""
    if delivery.action == "delete":
        channel, _, ts = (delivery.message_id or "").partition(":")
        return "chat.delete", {"channel": channel, "ts": ts}
    message = delivery.message
    text = f"（もう一度お送りします）\n{message.text}" if delivery.uncertain else message.text
    mentions = " ".join(f"<@{person}>" for person in message.mentions)
    line = f"{mentions} {text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}".lstrip()
    # A person's id as channel is the pair talk with them.
    post: dict[str, object] = {"channel": delivery.address.id, "text": line, "mrkdwn": False}
    if message.quote is not None:  # an answer in the thread, and in the channel for those who do not open it
        post |= {"thread_ts": message.quote.partition(":")[2], "reply_broadcast": True}
    if message.buttons:
        texts = [{"type": "mrkdwn", "text": mentions}] if mentions else []
        texts += [{"type": "plain_text", "text": text[at : at + SECTION]} for at in range(0, len(text), SECTION)]
        buttons = [
            {"type": "button", "action_id": str(n), "text": {"type": "plain_text", "text": b.label}, "value": b.data}
            for n, b in enumerate(message.buttons)
        ]
        sections = [{"type": "section", "text": text} for text in texts]
        post["blocks"] = [*sections, {"type": "actions", "elements": buttons}]
    return "chat.postMessage", post


if __name__ == "__main__":
    from examples.ping import router

    slack = Slack(os.environ["SLACK_TOKEN"], os.environ["SLACK_SIGNING_SECRET"], SystemClock())
    Bot(router, [slack], storage="var").run(port=8781)
