"""What a LoGoチャット-compatible service's answers to our calls mean: done, not yet, or never."""

from __future__ import annotations

import socket
import ssl
from datetime import datetime

import aiohttp
from pydantic import ValidationError

from bot.adapter import Rejected, Retry
from bot.adapters import logochat_wire as wire
from bot.retry_after import retry_after

ANSWER_LIMIT = 1_000_000
"""Bytes that an answer may have; a longer one is cut off and counts as unreadable."""

NEVER_ARRIVED = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
"""Failures before anything was sent."""


def declined(status: int, answer: bytes, wait: str | None, now: datetime, *, gone: bool = False) -> Retry | Rejected:
    """What becomes of a delivery that was not taken; `wait` is the answer's `Retry-After`."""
    said = reason(status, answer)
    if status == 429 and (wait is not None or is_the_services(status, answer)):
        return Retry(said, after=retry_after(wait, now))
    if status < 500 and not is_the_services(status, answer):
        # A proxy, or somebody's login page: what stands there says nothing about the message.
        return Retry(said, uncertain=status in {408, 409})
    # 401: the token was reset and the new one is not here yet. 409: an earlier try under this key is still at work.
    if status >= 500 or status in {401, 408, 409, 425}:
        return Retry(said, uncertain=status not in {401, 425, 503})
    return Rejected(said, gone=gone)


def is_the_services(status: int, answer: bytes) -> bool:
    """Whether the service itself declines: in a problem document (RFC 9457) of this status."""
    try:
        return wire.Problem.model_validate_json(answer).status == status >= 400
    except ValidationError:
        return False


async def read(response: aiohttp.ClientResponse) -> bytes:
    """The body, never more than `ANSWER_LIMIT`."""
    if response.content_length is not None and response.content_length <= ANSWER_LIMIT:
        return await response.read()
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > ANSWER_LIMIT:
            response.close()
            return bytes(received[:ANSWER_LIMIT])
    return bytes(received)


def reason(status: int, answer: bytes) -> str:
    """What the service says is wrong: the problem document's detail, or at least the status."""
    try:
        problem = wire.Problem.model_validate_json(answer)
    except ValidationError:
        return f"The service answered {status}."
    return f"The service answered {status}: {(problem.detail or problem.title)[:500]}"


def describe(error: BaseException) -> str:
    """A network's failure as a reason; the error's own text could hold an address with secrets, its type cannot."""
    if isinstance(error, TimeoutError):
        return "The service did not answer in time."
    return f"The connection to the service failed ({type(error).__name__})."
