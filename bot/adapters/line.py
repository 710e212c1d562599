"""LINE Messaging API: signed callbacks in; answers by reply token, push and multicast out.

LINE tells nobody who has read a bot's message, so a button says it. How nobody gets a message twice:

- Push and multicast carry a retry key, made of the delivery's own key, or of the name of the call that it shares: the
  outbox keeps those who shared a call together until LINE has said yes or no to it. LINE answers a key that it has
  accepted with 409, which is success.
- A reply takes no retry key, but its token is good for one reply. Where LINE's answer was lost, the same token is
  tried again while it lives: "invalid" then means that the first try was accepted. Once the token is too old to tell,
  the answer is given up, visibly, rather than said twice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, TypeVar

import aiohttp
import orjson
from pydantic import BaseModel, ValidationError
from yarl import URL

from bot.adapter import Capabilities, Delivery, Outcome, Rejected, Report, Retry, Sent
from bot.adapters import line_wire as wire
from bot.adapters.line_answers import (
    MONTH_IS_OVER,
    Refusals,
    is_about_the_token,
    is_lines,
    message_id,
    reason,
    unanswered,
)
from bot.adapters.line_events import parse, plain_token, token_age
from bot.adapters.line_quota import Grant, Quota, Reading
from bot.adapters.posting import Answer, Poster
from bot.bilingual import both
from bot.clock import Clock, SystemClock
from bot.errors import ConfigurationError, KairanbanError
from bot.events import Event
from bot.messages import Message, Priority
from bot.texts import Texts

ANSWER_LIMIT = 1_000_000
"""Bytes that an answer may have; a longer one is cut off and counts as unreadable."""
REPLY_LIFE = timedelta(seconds=50)
"""How long after its event a reply token is used. LINE promises one minute; the rest is for clocks that differ."""
_KEYS = uuid.UUID("6f3a1f0e-3d0b-5a8e-9a55-1d5d0c0f7b21")
"""The namespace of our retry keys."""
KEY_MEMORY = timedelta(hours=23)
"""How long LINE surely remembers a retry key: for 24 hours, says its reference, by its own clock."""
SMALLER_CALLS = 4
"""How often a multicast that does not fit into the month is tried with fewer people."""
_Answer = TypeVar("_Answer", bound=BaseModel)
_Call = Literal["reply", "push", "multicast"]


class Line:
    """One LINE official account.

    `channel_access_token` and `channel_secret` are those that the LINE Developers console shows for its Messaging API
    channel. `reserve_percent` of the month's messages go to emergencies only.
    """

    def __init__(
        self,
        channel_access_token: str,
        channel_secret: str,
        *,
        name: str = "line",
        base_url: str = "https://api.line.me",
        clock: Clock | None = None,
        texts: Texts | None = None,
        timeout: timedelta = timedelta(seconds=10),
        concurrency: int = 32,
        reserve_percent: int = 20,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(
            batch_size=wire.RECIPIENTS,
            buttons=wire.QUICK_REPLIES,
            text_length=wire.TEXT_LENGTH,
            idempotent=True,
            concurrency=concurrency,
        )
        for what, value in (("channel_access_token", channel_access_token), ("channel_secret", channel_secret)):
            if not value or not value.isascii() or any(letter.isspace() for letter in value):
                raise ConfigurationError(both("bot", "adapter.line_secret", what=what, name=name))
        if not 0 <= reserve_percent <= 100:
            raise ConfigurationError(both("bot", "adapter.percent", name=name))
        self._bot = URL(base_url) / "v2" / "bot"
        self._headers = {"Authorization": f"Bearer {channel_access_token}", "Content-Type": "application/json"}
        self._secret = channel_secret.encode()
        self._clock = clock or SystemClock()
        self._timeout = timeout.total_seconds()
        self._quota = Quota(self._read_quota, self._clock, reserve=reserve_percent)
        self._refusals = Refusals(self._clock)
        self._again = (texts or Texts("bot"))("delivery.perhaps_again", text="")
        self._session: aiohttp.ClientSession | None = None  # for questions; messages have the posters
        self._posters: dict[_Call, Poster] = {}
        self._report: Report = lambda kind, stands, values: None
        self._is_short = False
        self._fewer_asked: dict[str, int] = {}
        """Calls to fewer than share them, of which nobody knows whether LINE has taken them."""

    def __repr__(self) -> str:
        return f"<Line {self.name} at {self._bot}>"

    # ------------------------------------------------------------- incoming

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether `X-Line-Signature` is the HMAC-SHA256 of these raw bytes under the channel secret, in Base64."""
        given = headers.get(wire.SIGNATURE_HEADER)
        if given is None:  # a plain dict is case-sensitive, HTTP is not
            wanted = wire.SIGNATURE_HEADER.lower()
            given = next((value for name, value in headers.items() if name.lower() == wanted), "")
        expected = base64.b64encode(hmac.digest(self._secret, body, hashlib.sha256))
        return hmac.compare_digest(given.encode("utf-8", "replace"), expected)

    def parse(self, body: bytes) -> Sequence[Event]:
        """The events of a callback; none for a connection check. Whatever is not for us becomes `Unused`."""
        return parse(body, adapter=self.name, now=self._clock.now())

    def report_to(self, report: Report) -> None:
        """Tell this when the month's messages do not suffice."""
        self._report = report

    # ------------------------------------------------------------- outgoing

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            headers=self._headers,
        )
        calls: tuple[_Call, ...] = ("reply", "push", "multicast")
        self._posters = {
            call: Poster(self._bot / "message" / call, self._headers, timeout=self._timeout, limit=ANSWER_LIMIT)
            for call in calls
        }

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        for poster in self._posters.values():
            await poster.close()
        self._posters = {}

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Send one message to those in `batch`: one multicast, or for a single delivery a reply or a push."""
        first, begun = batch[0], self._refusals.begin()
        if first.action == "delete":
            return [Rejected("LINE has no call by which a bot takes a message back.")] * len(batch)
        try:
            objects = wire.message_objects(self._marked(first.message, batch))
        except ValueError as error:
            return [Rejected(str(error))] * len(batch)
        outcomes: dict[int, Outcome] = {
            each.id: Rejected(f"{each.address.id[:40]!r} is no id of a {each.address.kind} on LINE.", gone=True)
            for each in batch
            if not _is_address(each)
        }
        good = [each for each in batch if each.id not in outcomes]
        if first.address.kind == "room" or (len(batch) == 1 and first.shared_call in {None, first.key}):
            for each in good:
                outcomes[each.id] = await self._send_one(begun, each, objects)
        else:
            outcomes |= await self._multicast(begun, good, objects)
        return [outcomes[each.id] for each in batch]

    async def _send_one(self, begun: int, delivery: Delivery, objects: list[dict[str, Any]]) -> Outcome:
        if delivery.reply_token is not None:
            outcome = await self._reply(begun, delivery, delivery.reply_token, objects)
            if outcome is not None:
                return outcome
            # Should the push be lost as well, the token's refusal must not pass for its success.
            pushed = await self._push(begun, delivery, objects)
            return replace(pushed, plainly=True) if isinstance(pushed, Retry) else pushed
        return await self._push(begun, delivery, objects)

    async def _push(self, begun: int, delivery: Delivery, objects: list[dict[str, Any]]) -> Outcome:
        urgent = delivery.priority == Priority.EMERGENCY
        body = orjson.dumps({"to": delivery.address.id, "messages": objects})
        key = _retry_key(self.name, delivery.key, delivery)
        outcome: Outcome | None = None
        for _ in range(2):  # once more if LINE refuses and then says that there is something left
            grant = NOTHING
            if not delivery.uncertain:
                grant = await self._quota.take(1, urgent)
                if not grant.messages:
                    self._note_shortage(stands=True)
                    return outcome or Rejected(self._quota.reason(urgent))
            outcome = await self._pushed("push", begun, body, key, grant)
            if not _month_is_over(outcome):
                if not urgent:
                    self._note_shortage(stands=False)
                return outcome
            if delivery.uncertain:
                break
        self._quota.exhausted()
        self._note_shortage(stands=True)
        assert outcome is not None
        return outcome

    async def _reply(self, begun: int, delivery: Delivery, token: str, objects: list[dict[str, Any]]) -> Outcome | None:
        """Answer by the reply token; None if it is certain that it cannot be used and never was."""
        if token_age(token, self._clock.now()) > REPLY_LIFE:
            if not delivery.uncertain:
                return None
            return Rejected(
                "LINE did not say whether this answer arrived, and its reply token is too old to find out. "
                "It is not sent again, because it could be there twice."
            )
        body = orjson.dumps({"replyToken": plain_token(token), "messages": objects})
        try:
            status, answer, headers = await self._post("reply", begun, body, {})
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return unanswered(error)
        if status == 200:
            return Sent(message_id(answer)) if is_lines(status, answer, headers) else _UNREADABLE
        if 400 <= status < 500 and is_about_the_token(answer):
            # A token is used up by the reply that it carried.
            return Sent() if delivery.uncertain else None
        return self._refusals.read(begun, status, answer, headers)

    async def _multicast(
        self, begun: int, batch: Sequence[Delivery], objects: list[dict[str, Any]]
    ) -> dict[int, Outcome]:
        """One call, and if the month does not hold all of them, one to as many as it does.

        Fewer than asked is better than none: those left out are shown, and reached another way. A call to fewer has a
        key that tells how many: should it have to be said again, or the bot die before it is written down, LINE's 409
        means these people, and never those who were left out.
        """
        if not batch:
            return {}
        first, left = batch[0], list(batch)
        urgent = first.priority == Priority.EMERGENCY
        name = first.shared_call or "\n".join(each.key for each in batch)
        refusal: Outcome | None = None
        if any(each.uncertain for each in batch):
            found = await self._ask_again(begun, name, batch, objects)
            if not _month_is_over(found):
                return {each.id: found for each in batch}
            refusal = found
        outcomes: dict[int, Outcome] = {}
        most = len(left)
        for _ in range(SMALLER_CALLS):
            grant = await self._quota.take(most, urgent)
            if not grant.messages:
                break
            some = left[: grant.messages]
            key = name if len(some) == len(batch) else _fewer(name, len(some))
            outcome = await self._call_all(begun, some, objects, key, grant)
            if not _month_is_over(outcome):
                if key != name and isinstance(outcome, Retry) and outcome.uncertain:
                    self._fewer_asked[name] = len(some)
                outcomes = {each.id: outcome for each in some}
                left = left[len(some) :]
                break
            # LINE's count is approximate, and half of them is better than none.
            most = len(some) if refusal is None else len(some) // 2
            refusal = outcome
        else:
            self._quota.exhausted()
        if left or not urgent:  # that an emergency has used the reserve tells nothing about the next notice
            self._note_shortage(stands=bool(left))
        refusal = refusal or Rejected(self._quota.reason(urgent))
        return outcomes | {each.id: refusal for each in left}

    async def _ask_again(
        self, begun: int, name: str, batch: Sequence[Delivery], objects: list[dict[str, Any]]
    ) -> Outcome:
        """What became of a call that nobody answered: to all who share it, or to so many of them as are left."""
        keys = [name, _fewer(name, len(batch))]
        if self._fewer_asked.pop(name, 0) == len(batch):
            keys.reverse()
        for key in keys:
            outcome = await self._call_all(begun, batch, objects, key, NOTHING)  # they are counted already
            if not _month_is_over(outcome):
                break
        if isinstance(outcome, Retry) and outcome.uncertain and key != name:
            self._fewer_asked[name] = len(batch)
        return outcome

    async def _call_all(
        self, begun: int, batch: Sequence[Delivery], objects: list[dict[str, Any]], name: str, grant: Grant
    ) -> Outcome:
        people = list(dict.fromkeys(each.address.id for each in batch))
        body = orjson.dumps({"to": people, "messages": objects})
        return await self._pushed("multicast", begun, body, _retry_key(self.name, name, batch[0]), grant)

    async def _pushed(self, call: _Call, begun: int, body: bytes, retry_key: str, grant: Grant) -> Outcome:
        """Make a call with a retry key; what was granted is given back if it surely fails."""
        try:
            answer = await self._post(call, begun, body, {wire.RETRY_KEY_HEADER: retry_key})
            outcome = self._understand(call, begun, *answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            outcome = unanswered(error)
        if _month_is_over(outcome):
            await self._quota.refused(grant)
        elif isinstance(outcome, Rejected) or (isinstance(outcome, Retry) and not outcome.uncertain):
            self._quota.give_back(grant)
        return outcome

    def _understand(self, call: _Call, begun: int, status: int, answer: bytes, headers: Mapping[str, str]) -> Outcome:
        if is_lines(status, answer, headers):
            if status == 409:
                return Sent(message_id(answer) or headers.get(wire.ACCEPTED_REQUEST_ID_HEADER))
            if status == 200:
                return Sent(message_id(answer) or headers.get(wire.REQUEST_ID_HEADER))
            if status == 400 and call == "multicast":
                # One of them may be the cause. The others must not suffer for it, so everybody is tried alone.
                return Retry(reason(status, answer), plainly=True)
        elif 200 <= status < 300:
            # What stands between us and LINE may have said it; the same key asks again.
            return _UNREADABLE
        return self._refusals.read(begun, status, answer, headers)

    async def _post(self, call: _Call, begun: int, body: bytes, headers: Mapping[str, str]) -> Answer:
        poster = self._posters.get(call)
        if poster is None:
            raise KairanbanError(f"Adapter {self.name} is not open; await its open() before anything is sent.")
        answer = await poster.post(body, headers)
        if answer[0] == 200:
            self._refusals.forget(begun)
        return answer

    def _marked(self, message: Message, batch: Sequence[Delivery]) -> Message:
        """The message, with a word that it may be there twice if LINE has forgotten the key of an earlier try."""
        forgotten = self._clock.now() - KEY_MEMORY
        if any(each.uncertain and each.tried_at is not None and each.tried_at < forgotten for each in batch):
            return message.model_copy(update={"text": f"{self._again}{message.text}"})
        return message

    # ---------------------------------------------------------------- quota

    def _note_shortage(self, *, stands: bool) -> None:
        """Say it where it changes: what the last message met is how it stands."""
        if stands != self._is_short:
            self._is_short = stands
            self._report("quota_used_up", stands, self._quota.figures)

    async def _read_quota(self) -> Reading | None:
        quota = await self._ask(wire.QuotaAnswer, "message/quota")
        used = None if quota is None else await self._ask(wire.ConsumptionAnswer, "message/quota/consumption")
        if quota is None or used is None:
            return None
        return quota.value if quota.type == "limited" else None, used.total_usage

    async def _ask(self, shape: type[_Answer], path: str) -> _Answer | None:
        """What LINE answers to a question; None if it does not, for no message waits for it."""
        if self._session is None:
            raise KairanbanError(f"Adapter {self.name} is not open; await its open() before anything is sent.")
        try:
            async with self._session.get(self._bot / path, allow_redirects=False) as response:
                if response.status != 200:
                    return None
                return shape.model_validate_json(await response.content.read(ANSWER_LIMIT))
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError):
            return None


NOTHING = Grant(0, 0)
"""For a call whose messages are counted already."""
_UNREADABLE = Retry("LINE's answer could not be read.", uncertain=True)


def _month_is_over(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejected) and MONTH_IS_OVER.search(outcome.reason) is not None


def _fewer(name: str, people: int) -> str:
    """The name of a call to so many of those who share the call `name`."""
    return f"{name}\0{people}"


def _is_address(delivery: Delivery) -> bool:
    pattern = wire.USER_ID if delivery.address.kind == "person" else wire.ROOM_ID
    return pattern.fullmatch(delivery.address.id) is not None


def _retry_key(adapter: str, name: str, delivery: Delivery) -> str:
    """The same for every try of the same thing, and for nothing else.

    The text is in it for those who start with an empty database within LINE's memory of a day: another notice under
    the same number is another notice.
    """
    return str(uuid.uuid5(_KEYS, "\0".join((adapter, name, delivery.message.text))))
