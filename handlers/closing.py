"""The closing time of a survey, as people type it."""

from __future__ import annotations

import re
from datetime import datetime

from bot.clock import to_tokyo
from bot.dates import read_date
from surveys.answering import normal
from surveys.opening import last_minute

LONGEST = 366
"""Days that a survey may stay open."""

_DAYS = re.compile(r"^(\d{1,3})\s*(?:日間?|days?|d)$", re.IGNORECASE)


def closing(text: str, now: datetime) -> int | datetime:
    """ "5日" or "5d" as a number of days, "7月31日" or "月末" as the last minute of that day in Japan.

    Raises `Refused`.
    """
    if (days := _DAYS.match(normal(text))) is not None and 1 <= int(days[1]) <= LONGEST:
        return int(days[1])
    return last_minute(read_date(text, to_tokyo(now).date()))


def closing_moment(text: str, now: datetime) -> datetime:
    """The moment that `closing` means if the survey opens `now`; whether it has passed is for `Surveys.open` to say."""
    found = closing(text, now)
    return last_minute(to_tokyo(now).date(), found) if isinstance(found, int) else found
