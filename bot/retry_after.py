"""How long a platform asks us to wait: the one reader of `Retry-After`, public for adapters of one's own.

What the wait means is the outbox's to decide (`bot.outbox.retry`): for more than a minute, the platform counts as down
for what is waiting.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(hours=1)
"""What a wait is held within; below a second nobody would have asked."""


def retry_after(value: str | None, now: datetime, *, date: str | None = None) -> timedelta | None:
    """The wait in a `Retry-After`: seconds or a moment (RFC 9110, section 10.2.3); None if it says nothing usable.

    A moment is read against the answer's own `Date` where there is one: the platform's clock may be another than ours.
    Of several values that a proxy has joined with commas, the longest counts.
    """
    waits = [wait for part in _parts(value or "") if (wait := _seconds(part, _moment(date) or now)) is not None]
    return min(max(*waits, SHORTEST), LONGEST) if waits else None


def _parts(value: str) -> list[str]:
    # A date has a comma of its own: "Tue, 01 Dec 2026 00:00:00 GMT".
    return [value] if _moment(value) is not None else value.split(",")


def _seconds(value: str, now: datetime) -> timedelta | None:
    try:
        seconds = float(value)
    except ValueError:
        moment = _moment(value)
        return None if moment is None else moment - now
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST.total_seconds()))


def _moment(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime((value or "").strip())
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
