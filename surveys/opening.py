"""When a survey opens, to whom, and for how long, as its definition says unless whoever opens it says otherwise."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from pydantic import Field, field_validator

from bot import recurrence
from bot.bilingual import both
from bot.clock import TOKYO
from bot.recurrence import Rule
from surveys.model import Model


def last_minute(day: date, days: int = 0) -> datetime:
    """When a survey closes that is open until a day in Japan, or until some days after it: people think in days."""
    return datetime.combine(day + timedelta(days=days), time(23, 59), TOKYO)


class Opening(Model):
    """What a definition says of its opening.

    `opens` is a moment or a rule in the words of `bot.recurrence` ("毎月20日 09:00 翌開庁日"), and takes effect once
    somebody reserves the survey; nothing opens after the day `until`. `audience` names departments, groups or people
    as a notice does; without it, everybody is asked. It stays open until the end of the day that is `days` later.
    """

    opens: str = ""
    until: date | None = None
    audience: list[str] = Field(default=[], max_length=100)
    days: int = Field(default=7, ge=1, le=366)

    @field_validator("opens")
    @classmethod
    def _says_when(cls, opens: str) -> str:
        found = recurrence.parse(opens)
        if opens and (found is None or found[1]):
            raise ValueError(both("surveys", "definition.opens", opens=opens))
        return opens

    @property
    def rule(self) -> Rule | None:
        """When it opens; None if nothing is said."""
        found = recurrence.parse(self.opens)
        return None if found is None else found[0]
