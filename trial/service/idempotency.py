"""`Idempotency-Key`: the same request again gets the first answer again, for 24 hours.

An answer is kept in the same transaction as what it answers, so there is no moment in which one exists without the
other. Refusals are not kept: they changed nothing, and whoever mends the request may use the key again.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from bot.adapters.logochat_wire import IDEMPOTENCY_HEADER
from trial.service.change import Change
from trial.service.problems import BadRequest, Unprocessable

KEPT = timedelta(hours=24)
_KEPT_MICROS = KEPT // timedelta(microseconds=1)


def checked(key: str) -> str:
    """The key, if it can be one: up to 255 visible ASCII signs."""
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise BadRequest(f"{IDEMPOTENCY_HEADER}: send 1 to 255 printable ASCII characters, a UUID for example.")
    return key


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What must be equal for two requests to be the same."""
    return hashlib.sha256(b"%s %s\n%s" % (method.encode(), path.encode(), body)).digest()


def recall(change: Change, caller: str, key: str, request: bytes) -> tuple[int, bytes] | None:
    """The status and body of the first answer; 422 when the key came with another request before."""
    found = change.row("SELECT request, status, body, at FROM answers WHERE caller = ? AND key = ?", caller, key)
    if found is None or found[3] <= change.at - _KEPT_MICROS:
        return None
    if found[0] != request:
        raise Unprocessable(f"{IDEMPOTENCY_HEADER}: this key came with another request before; use a new key.")
    return found[1], found[2]


def remember(change: Change, caller: str, key: str, request: bytes, answer: tuple[int, bytes]) -> None:
    """Keep an answer; those older than 24 hours go, a few at a time."""
    change.db.execute(
        "INSERT OR REPLACE INTO answers (caller, key, request, status, body, at) VALUES (?, ?, ?, ?, ?, ?)",
        (caller, key, request, *answer, change.at),
    )
    change.db.execute(
        "DELETE FROM answers WHERE (caller, key) IN (SELECT caller, key FROM answers WHERE at <= ? LIMIT 10)",
        (change.at - _KEPT_MICROS,),
    )
