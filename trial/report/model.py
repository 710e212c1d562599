"""`report.json`: every figure of a rehearsal, in a stable order.

Two runs with the same seed give the same bytes but for `wall_seconds`; `fingerprint` leaves that field out.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from trial.cost import Reading

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
WALL_CLOCK_FIELDS = ("wall_seconds",)


class Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Rooms(Figures):
    """Rooms of the chat service at the end, and the members of the largest."""

    count: Count
    largest: Count


class ReadWithin(Figures):
    """How many had read within these spans after the notice was sent."""

    five_minutes: Count = Field(alias="5m")
    fifteen_minutes: Count = Field(alias="15m")
    one_hour: Count = Field(alias="60m")
    one_day: Count = Field(alias="24h")


class ReachPoint(Figures):
    """How many had read `minutes` after the notice was sent."""

    minutes: Count
    read: Count


class DepartmentReads(Figures):
    department: str
    recipients: Count
    read: Count


class Row(Figures):
    """One answer: how many chose it, and their share of those who answered the question."""

    label: str
    count: Count
    share: Share


class AnswerRow(Figures):
    """One choice: how many gave it as their first answer, and as their latest."""

    label: str
    first: Count
    latest: Count


class Answers(Figures):
    """What a notice asked (safety, muster ...) and what people answered; `changed` chose another choice later."""

    asks: str
    answered: Count
    changed: Count
    rows: tuple[AnswerRow, ...]
    refined: tuple[Row, ...]
    """Arrival times and reasons, of the latest answers; shares of those who answered."""


class Broadcast(Figures):
    """One notice; `delivered` and `duplicates` are the chat service's own count of what members see.

    `reminders` counts the rounds that went to those who had not read it. `recalled` ones show the reads until then in
    `read_before_recall`; what was deleted is no longer `delivered`.
    """

    id: int
    kind: str
    title: str
    sent_at: datetime
    recipients: Count
    delivered: Count
    duplicates: Count
    read: Count
    unread: Count
    read_within: ReadWithin
    reach: tuple[ReachPoint, ...]
    reminders: Count
    by_department: tuple[DepartmentReads, ...]
    answers: Answers | None = None
    recalled: bool = False
    read_before_recall: Count = 0
    corrections: Count = 0


class Table(Figures):
    """One question; the rows of a free text are the sentences that were written."""

    key: str
    question: str
    kind: str
    respondents: Count
    rows: tuple[Row, ...]


class Survey(Figures):
    id: int
    title: str
    asked: Count
    respondents: Count
    tables: tuple[Table, ...]


class Month(Figures):
    """`users` wrote, pressed or read something in `month` (YYYY-MM)."""

    month: str
    users: Count
    share: Share


class Adoption(Figures):
    monthly_active: tuple[Month, ...]


class OtherReading(Figures):
    reading: Reading
    monthly: Count | None
    monthly_with_tax: Count | None


class Cost(Figures):
    """Yen a month; None where the price is negotiated. `cheaper_at`: more accounts that would cost less."""

    accounts: Count
    price: Count | None
    monthly: Count | None
    monthly_with_tax: Count | None
    cheaper_at: Count | None
    reading: Reading
    other: OtherReading


class Report(Figures):
    """The whole rehearsal; the people in it are simulated, and `notice` says so."""

    simulated: Literal[True] = True
    notice: str
    seed: int
    start: date
    staff: Count
    months: Count
    virtual_days: Count
    wall_seconds: Annotated[float, Field(ge=0)]
    events_in: Count
    messages_out: Count
    rooms: Rooms
    broadcasts: tuple[Broadcast, ...]
    surveys: tuple[Survey, ...]
    adoption: Adoption
    cost: Cost

    def as_json(self) -> bytes:
        """`report.json`: UTF-8, indented, one order of fields."""
        return _dump(self.model_dump(mode="json", by_alias=True))

    def fingerprint(self) -> str:
        """The same for two runs that went the same way, however long they took."""
        fields = self.model_dump(mode="json", by_alias=True, exclude=set(WALL_CLOCK_FIELDS))
        return hashlib.sha256(_dump(fields)).hexdigest()


def _dump(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
