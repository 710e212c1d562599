"""The closing time of a survey, as people type it."""

from __future__ import annotations

import re
from datetime import datetime

from bot.clock import to_tokyo
from bot.errors import Refused
from surveys.answering import as_day, normal
from surveys.opening import last_minute

LONGEST = 366
"""Days that a survey may stay open."""

_DAYS = re.compile(r"^(\d{1,3})\s*(?:日間?|days?|d)$", re.IGNORECASE)


def closing(text: str) -> int | datetime:
    """ "5日" or "5d" as a number of days, "2023-07-31" as the last minute of that day in Japan; raises `Refused`."""
    if (days := _DAYS.match(normal(text))) is not None and 1 <= int(days[1]) <= LONGEST:
        return int(days[1])
    if (day := as_day(text)) is not None:
        return last_minute(day)
    raise Refused("survey.manage.closing_unreadable")


def closing_moment(text: str, now: datetime) -> datetime:
    """The moment that `closing` means if the survey opens `now`; whether it has passed is for `Surveys.open` to say."""
    found = closing(text)
    return last_minute(to_tokyo(now).date(), found) if isinstance(found, int) else found
