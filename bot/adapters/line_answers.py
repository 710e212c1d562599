"""What LINE's answers to our calls mean: done, not yet, or never; and how long to leave it alone."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from datetime import timedelta

from pydantic import ValidationError

from bot.adapter import Rejected, Retry
from bot.adapters import line_wire as wire
from bot.clock import Clock
from bot.retry_after import retry_after

FIRST_REST, LONGEST_REST = timedelta(seconds=2), timedelta(minutes=1)
"""How long to rest after a 429, to which LINE adds no Retry-After: doubled while it goes on."""

MONTH_IS_OVER = re.compile(r"monthly limit", re.IGNORECASE)
_TOKEN = re.compile(r"reply[ _-]?token", re.IGNORECASE)
_NOBODY = re.compile(r"failed to send messages|property, 'to'", re.IGNORECASE)
_NEVER_ARRIVED = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
"""What goes wrong before a request has left the house."""


class Refusals:
    """Reads refusals, and remembers how long LINE has been tired of us."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rest = FIRST_REST
        self._until = clock.now()
        self._begun = 0
        self._together = 0

    def begin(self) -> int:
        """A call begins; its number, by which `read` and `forget` know whether it had begun before a refusal."""
        self._begun += 1
        return self._begun

    def forget(self, call: int) -> None:
        """LINE has taken something again."""
        if call > self._together:
            self._rest = FIRST_REST

    def read(self, call: int, status: int, answer: bytes, headers: Mapping[str, str]) -> Retry | Rejected:
        """What becomes of a message that was not taken."""
        said = reason(status, answer)
        if status >= 500:
            return Retry(said, uncertain=True)
        if status == 429 and MONTH_IS_OVER.search(said):
            return Rejected(f"{said} LINE's messages of this month are used up.")
        asked = headers.get("Retry-After")
        if status == 429 and (asked is not None or is_lines(status, answer, headers)):
            return Retry(said, after=self._wait(call, asked))
        if not is_lines(status, answer, headers):
            # A proxy, or somebody's login page: what stands there says nothing about the message.
            return Retry(said)
        # 401: the token was exchanged and the new one is not here yet; what waits must not die of it.
        # A push to an id that is nobody's here, or no friend's; LINE has no finer word for it.
        return Retry(said) if status in {401, 408} else Rejected(said, gone=bool(_NOBODY.search(said)))

    def _wait(self, call: int, asked: str | None) -> timedelta:
        """How long to rest; LINE names no wait, what stands in front of it may name seconds.

        Calls that were under way together are one refusal: they rest until the same moment.
        """
        now = self._clock.now()
        if (wait := retry_after(asked, now)) is not None:
            return wait
        if call > self._together:
            self._together = self._begun
            rest, self._rest = self._rest, min(self._rest * 2, LONGEST_REST)
            self._until = now + rest
        return max(self._until - now, timedelta(milliseconds=1))


def is_lines(status: int, answer: bytes, headers: Mapping[str, str]) -> bool:
    """Whether LINE itself has answered: it numbers its answers, and says in JSON what is wrong.

    Source: LINE's reference, "Response headers" and "Error responses".
    """
    if 300 <= status < 400 or not answer.startswith(b"{"):
        return False
    if wire.REQUEST_ID_HEADER in headers or wire.ACCEPTED_REQUEST_ID_HEADER in headers:
        return True
    try:
        if status < 300:
            return answer == b"{}" or bool(wire.SentAnswer.model_validate_json(answer).sent_messages)
        wire.ErrorAnswer.model_validate_json(answer)
    except ValidationError:
        return False
    return True


def is_about_the_token(answer: bytes) -> bool:
    """Whether LINE refuses a reply token, in one of its wordings: "Invalid reply token", "The property, 'replyToken',
    in the request body is invalid", "May not be empty" at `replyToken`, "The reply token has expired".
    """
    try:
        error = wire.ErrorAnswer.model_validate_json(answer)
    except ValidationError:
        return False
    return any(_TOKEN.search(said) for said in (error.message, *_places(error)))


def _places(error: wire.ErrorAnswer) -> list[str]:
    return [f"{each.property}: {each.message}" for each in error.details]


def unanswered(error: BaseException) -> Retry:
    """A network's failure as an outcome; the error's own text could hold more than it should, its type cannot."""
    if isinstance(error, TimeoutError):
        return Retry("LINE did not answer in time.", uncertain=True)
    reached = not isinstance(error, _NEVER_ARRIVED)
    return Retry(f"The connection to LINE failed ({type(error).__name__}).", uncertain=reached)


def message_id(answer: bytes) -> str | None:
    """The id of the first message that LINE sent for a call; a multicast's answer has none."""
    try:
        sent = wire.SentAnswer.model_validate_json(answer).sent_messages
    except ValidationError:
        return None
    return sent[0].id if sent else None


def reason(status: int, answer: bytes) -> str:
    """What LINE says is wrong, with the places that it names."""
    try:
        error = wire.ErrorAnswer.model_validate_json(answer)
    except ValidationError:
        return f"LINE answered {status}."
    details = "; ".join(_places(error)[:3])
    return f"LINE answered {status}: {error.message}{f' ({details})' if details else ''}"[:500]
