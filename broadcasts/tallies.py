"""How a question was answered: counts by department with denominators, first and latest apart; names on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Row, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.tables import departments, members
from broadcasts.kinds import Kind
from broadcasts.questions import NEEDS_HELP, Ask, Question, counted_as, question_of
from broadcasts.tables import broadcast_answers, broadcast_recipients, broadcasts

recipient = broadcast_recipients.c
answer = broadcast_answers.c


@dataclass(frozen=True, slots=True)
class DepartmentAnswers:
    """One department's part; `latest` maps a choice to how many have it as their latest answer."""

    name: str
    asked: int
    latest: Counter[str]

    @property
    def answered(self) -> int:
        return self.latest.total()


@dataclass(frozen=True, slots=True)
class Person:
    """One recipient and their latest answer; None and empty where there is none."""

    name: str
    department: str
    choice: str | None
    detail: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """The answers to one question.

    `first` and `latest` count choices (`come`, `safe`), `refined` the latest answers in full (`come:60`); `changed` are
    those whose latest choice is not their first.
    """

    id: int
    kind: Kind
    state: str
    sent_at: datetime
    question: Question
    asked: int
    first: Counter[str]
    latest: Counter[str]
    refined: Counter[str]
    changed: int
    departments: Sequence[DepartmentAnswers] = ()
    in_need: Sequence[Person] = field(default=())
    """Who needs rescue or is injured, the former first."""

    @property
    def answered(self) -> int:
        return self.latest.total()

    def plain(self) -> dict[str, Any]:
        """As data for a report; every choice that was offered is there, also with 0."""
        options = self.question.options()
        return {
            "asks": self.question.asks,
            "stage": self.question.stage,
            "asked": self.asked,
            "answered": self.answered,
            "changed": self.changed,
            "first": {choice: self.first[choice] for choice in options},
            "latest": {choice: self.latest[choice] for choice in options},
            "refined": {choice: self.refined[choice] for each in options for choice in self.question.refinements(each)},
        }


async def tally(db: AsyncConnection, notice: Row[Any]) -> Tally | None:
    """The answers to a notice (a row of `broadcasts`), or None if it asks nothing."""
    question = question_of(notice)
    if question is None:
        return None
    first: Counter[str] = Counter()
    latest: Counter[str] = Counter()
    refined: Counter[str] = Counter()
    by_department: dict[str, DepartmentAnswers] = {}
    asked: Counter[str] = Counter()
    changed = 0
    for row in await db.execute(_COUNTS, {"broadcast_id": notice.id}):
        asked[row.name] += row.people
        part = by_department.setdefault(row.name, DepartmentAnswers(row.name, 0, Counter()))
        if row.latest_choice is None:
            continue
        before, now = counted_as(row.first_choice), counted_as(row.latest_choice)
        first[before] += row.people
        latest[now] += row.people
        refined[row.latest_choice] += row.people
        part.latest[now] += row.people
        changed += row.people * (before != now)
    return Tally(
        id=notice.id,
        kind=notice.kind,
        state=notice.state,
        sent_at=notice.sent_at,
        question=question,
        asked=asked.total(),
        first=first,
        latest=latest,
        refined=refined,
        changed=changed,
        departments=[DepartmentAnswers(name, asked[name], part.latest) for name, part in by_department.items()],
        in_need=await _in_need(db, notice.id) if question.asks == "safety" else (),
    )


async def by_name(db: AsyncConnection, broadcast_id: int) -> list[Person]:
    """Every recipient with their latest answer, department by department."""
    return [Person(*row) for row in await db.execute(_PEOPLE, {"broadcast_id": broadcast_id})]


async def latest_asked(db: AsyncConnection, asks: Ask | None) -> int | None:
    """The number of the notice that asked so last, or anything at all with None; None if there is none."""
    found: int | None = await db.scalar(_LATEST, {"asks": get_args(Ask) if asks is None else [asks]})
    return found


async def _in_need(db: AsyncConnection, broadcast_id: int) -> list[Person]:
    people = [Person(*row) for row in await db.execute(_PEOPLE_IN_NEED, {"broadcast_id": broadcast_id})]
    return sorted(people, key=lambda person: NEEDS_HELP.index(person.choice or ""))


_answered = and_(answer.broadcast_id == recipient.broadcast_id, answer.member_id == recipient.member_id)
_COUNTS = (
    select(departments.c.name, answer.first_choice, answer.latest_choice, func.count().label("people"))
    .select_from(broadcast_recipients)
    .join(departments, departments.c.id == recipient.department_id)
    .outerjoin(broadcast_answers, _answered)
    .where(recipient.broadcast_id == bindparam("broadcast_id"))
    .group_by(departments.c.position, departments.c.id, departments.c.name, answer.first_choice, answer.latest_choice)
    .order_by(departments.c.position, departments.c.id)
)
_PEOPLE = (
    select(
        members.c.name,
        departments.c.name.label("department"),
        answer.latest_choice,
        func.coalesce(answer.latest_detail, "").label("detail"),
        answer.latest_at,
    )
    .select_from(broadcast_recipients)
    .join(members, members.c.id == recipient.member_id)
    .join(departments, departments.c.id == recipient.department_id)
    .outerjoin(broadcast_answers, _answered)
    .where(recipient.broadcast_id == bindparam("broadcast_id"))
    .order_by(departments.c.position, departments.c.id, members.c.rank.desc(), members.c.kana, members.c.id)
)
_PEOPLE_IN_NEED = _PEOPLE.where(answer.latest_choice.in_(NEEDS_HELP))
_LATEST = (
    select(broadcasts.c.id)
    .where(broadcasts.c.asks.in_(bindparam("asks", expanding=True)), broadcasts.c.sent_at.is_not(None))
    .order_by(broadcasts.c.sent_at.desc(), broadcasts.c.id.desc())
    .limit(1)
)
