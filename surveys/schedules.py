"""Surveys that open later: once at a moment, or again and again, such as each month of a trial.

Rows say what is due, so nothing is forgotten while nobody is there; what became due several times meanwhile opens
once, late. Whoever moves `next_at` on has won the opening, however many processes look at the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import Clock, to_tokyo
from bot.directory import ADMINISTRATOR, HEADQUARTERS, Member
from bot.errors import Refused
from bot.messages import Message, Priority
from bot.outbox import Outbox
from bot.recurrence import Rule
from bot.storage import Database
from bot.tables import member_roles, members
from bot.texts import Texts
from surveys.announcing import Audience, write_to
from surveys.definition import Definition
from surveys.results import Opened
from surveys.tables import survey_schedules

log = structlog.get_logger(__name__)

Resolve = Callable[[AsyncConnection, Sequence[str]], Awaitable[Audience]]
"""Finds the people whom names of departments, groups or persons mean; raises `Refused` for a name nobody has."""


class Open(Protocol):
    """How a survey opens: `surveys.service.Surveys.open`."""

    async def __call__(
        self,
        db: AsyncConnection,
        definition: Definition,
        *,
        audience: Audience = None,
        closes_at: datetime | None = None,
        actor: str,
        owner: int | None,
    ) -> Opened: ...


class Plan(BaseModel):
    """What is kept of a reservation.

    `names` are looked up anew at each opening, as people come and go. `closes_at` belongs to what opens once; without
    it, a survey stays open for `definition.days`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    definition: Definition
    rule: Rule
    names: tuple[str, ...] = ()
    closes_at: AwareDatetime | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """The first opening later than `moment`; None if there is none any more."""
        found = self.rule.next_after(moment)
        until = self.definition.until
        return None if found is None or (until and to_tokyo(found).date() > until) else found


@dataclass(frozen=True, slots=True)
class Reserved:
    """A survey that will open at `next_at`."""

    id: int
    plan: Plan
    next_at: datetime


class Schedules:
    """Reserves, lists, calls off and carries out."""

    def __init__(
        self, database: Database, outbox: Outbox, clock: Clock, texts: Texts, *, open: Open, resolve: Resolve
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._texts = texts
        self._open = open
        self._resolve = resolve

    async def reserve(self, db: AsyncConnection, plan: Plan, *, owner: Member, actor: str) -> Reserved:
        """Let a survey open as `plan` says, for `owner`; raises `Refused` if that is never, or nobody would be asked.

        Ring `Surveys` after the commit.
        """
        next_at = plan.next_after(self._clock.now())
        if next_at is None or (plan.closes_at is not None and plan.closes_at <= next_at):
            raise Refused("survey.schedule.past")
        if plan.closes_at is not None and plan.rule.recurs:
            raise Refused("survey.schedule.closing")
        if plan.names:
            await self._resolve(db, plan.names)  # so that a name nobody has is told now
        inserted = await db.execute(
            insert(survey_schedules).values(
                plan=plan.model_dump_json(), owner=owner.id, state="waiting", next_at=next_at
            )
        )
        assert inserted.inserted_primary_key is not None
        number = int(inserted.inserted_primary_key[0])
        await self._note(db, actor, "reserved", number, key=plan.definition.key, next_at=next_at.isoformat())
        return Reserved(number, plan, next_at)

    async def listing(self, db: AsyncConnection) -> list[Reserved]:
        """Everything that will open, the next first."""
        return [_reserved(row) for row in await db.execute(_WAITING)]

    async def cancel(self, db: AsyncConnection, number: int, *, actor: str) -> Reserved:
        """Call a reservation off; raises `Refused` if none such is waiting."""
        row = (await db.execute(_WAITING.where(_schedules.id == number))).first()
        if row is None or not await self._move(db, row, None, "cancelled"):
            raise Refused("survey.schedule.unknown", id=number)
        await self._note(db, actor, "called_off", number)
        return _reserved(row)

    # ------------------------------------------------------------ carry out

    async def next_due(self, db: AsyncConnection) -> datetime | None:
        """When the next survey opens; None if none is reserved."""
        found: datetime | None = await db.scalar(_NEXT)
        return found

    async def do_due(self) -> None:
        """Open all that is due, each once; one that cannot open does not keep the others from it."""
        now = self._clock.now()
        async with self._database.snapshot() as db:
            due = (await db.execute(_WAITING.where(_schedules.next_at <= now))).all()
        for row in due:
            plan = Plan.model_validate_json(row.plan)
            async with self._database.transaction() as db:
                owner = await db.scalar(_ACTIVE_CODE, {"member_id": row.owner})
                # Whoever has left the city hall opens nothing any more: somebody else has to take it over.
                following = plan.next_after(now) if owner else None
                state = "waiting" if following else "done" if owner else "stopped"
                if await self._move(db, row, following, state):
                    await self._carry_out(db, row, plan, owner)

    async def _carry_out(self, db: AsyncConnection, row: Row[Any], plan: Plan, owner: str | None) -> None:
        title = plan.definition.title
        try:
            if owner is None:
                raise Refused("survey.schedule.no_owner")
            async with db.begin_nested():  # a survey that nobody can be asked leaves nothing behind
                opened = await self._open(
                    db,
                    plan.definition,
                    audience=await self._resolve(db, plan.names) if plan.names else None,
                    closes_at=plan.closes_at,
                    actor=owner,
                    owner=row.owner,
                )
            said = self._texts("survey.schedule.told", id=row.id, number=opened.id, title=title, asked=opened.asked)
        except Refused as refusal:
            log.warning("survey_not_opened", schedule=row.id, reason=refusal.key)
            await self._note(db, "system", "not_opened", row.id, reason=refusal.key)
            reason = self._texts(refusal.key, **refusal.values) if refusal.key in self._texts else str(refusal)
            said = self._texts("survey.schedule.told_not", id=row.id, title=title, reason=reason)
        people = select(members.c.id).where(members.c.active, members.c.id == row.owner if owner else _MANAGES)
        key = f"survey:schedule:{row.id}:{row.next_at.timestamp():.0f}"
        now = self._clock.now()
        message = Message(text=said)
        await write_to(db, self._outbox, people, message, key=key, topic=None, priority=Priority.REPLY, now=now)

    # -------------------------------------------------------------- details

    async def _move(self, db: AsyncConnection, row: Row[Any], following: datetime | None, state: str) -> bool:
        """Take what is due at `row.next_at` for this process; False if another was quicker."""
        values = {"of": row.id, "seen": row.next_at, "then": following, "now": state}
        return (await db.execute(_MOVE, values)).rowcount == 1

    async def _note(self, db: AsyncConnection, actor: str, action: str, number: int, **details: object) -> None:
        subject = f"survey-schedule:{number}"
        await audit.append(db, self._clock, actor=actor, action=f"survey.{action}", subject=subject, details=details)


def _reserved(row: Row[Any]) -> Reserved:
    return Reserved(row.id, Plan.model_validate_json(row.plan), row.next_at)


_schedules = survey_schedules.c
_NEXT = select(func.min(_schedules.next_at)).where(_schedules.state == "waiting")
_WAITING = select(survey_schedules).where(_schedules.state == "waiting").order_by(_schedules.next_at, _schedules.id)
_MOVE = (
    update(survey_schedules)
    .where(
        _schedules.id == bindparam("of"),
        _schedules.state == "waiting",
        _schedules.next_at == bindparam("seen", type_=_schedules.next_at.type),
    )
    .values(next_at=bindparam("then", type_=_schedules.next_at.type), state=bindparam("now"))
)
_ACTIVE_CODE = select(members.c.code).where(members.c.id == bindparam("member_id"), members.c.active)
_MANAGES = members.c.id.in_(
    select(member_roles.c.member_id).where(member_roles.c.role.in_((ADMINISTRATOR, HEADQUARTERS)))
)
