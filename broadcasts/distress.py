"""Who is in need reaches the headquarters at once: by pair talk, as an emergency, with name, place and words.

Each change is told once (the event's key makes it unique); whoever presses 「対応します」 is shown to the others and to
the person in need.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit
from bot.clock import Clock, to_tokyo
from bot.directory import ADMINISTRATOR, DUTY_OFFICER, HEADQUARTERS, Member
from bot.messages import Button, Message, Priority
from bot.outbox import Outbox
from bot.tables import departments, members
from bot.texts import Texts
from broadcasts.audience import Departments
from broadcasts.rights import holders
from broadcasts.tables import broadcasts, help_calls
from broadcasts.telling import tell
from broadcasts.wording import Wording

OFFICERS = frozenset({HEADQUARTERS, DUTY_OFFICER})
SHOWN_LENGTH = 1000
"""Characters of somebody's words that are passed on in one message; all of them are kept."""

_CALL = select(help_calls).where(
    help_calls.c.broadcast_id == bindparam("broadcast_id"), help_calls.c.member_id == bindparam("member_id")
)
_NAMED = select(members.c.name, departments.c.name.label("department"), members.c.department_id).join(
    departments, departments.c.id == members.c.department_id
)


class Distress:
    """Tells the headquarters, and notes who of them sees to it."""

    def __init__(self, outbox: Outbox, adapters: Sequence[str], clock: Clock, texts: Texts, wording: Wording) -> None:
        self._outbox = outbox
        self._adapters = tuple(adapters)
        self._clock = clock
        self._texts = texts
        self._wording = wording

    async def tell(
        self, db: AsyncConnection, notice: Row[Any], member: Member, state: str, words: str, *, at: datetime, key: str
    ) -> bool:
        """Tell the officers how `member` is, `state` being an answer or `words`; whether anybody is reached."""
        taker = await self._note(db, notice.id, member.id, state)
        texts = self._texts
        lines = [
            texts(
                "distress.told",
                state=texts(f"distress.{state}"),
                person=self._person(member),
                id=notice.id,
                kind=texts(f"kind.{notice.kind}"),
                time=f"{to_tokyo(at):%m-%d %H:%M}",
            )
        ]
        shown = words if len(words) <= SHOWN_LENGTH else words[: SHOWN_LENGTH - 1] + "…"
        if shown:
            lines.append(texts("distress.said" if state in {"words", "safe"} else "distress.place", words=shown))
        elif state != "safe":
            lines.append(texts("distress.no_words"))
        buttons: tuple[Button, ...] = ()
        if taker is not None:
            lines.append(texts("distress.in_hand", name=taker))
        elif state != "safe":
            lines.append(texts("distress.ask"))
            buttons = (Button(label=texts("distress.take"), data=f"distress:{notice.id}:{member.id}"),)
        message = Message(text=self._wording.marked(notice.kind, "\n".join(lines)), buttons=buttons)
        people = await self._officers(db, member, notice.author_id)
        return await self._send(db, people, message, f"distress:{notice.id}:{member.id}:{key}") > 0

    async def tell_unasked(self, db: AsyncConnection, member: Member, words: str, *, at: datetime, key: str) -> bool:
        """Tell the headquarters of a need that somebody wrote though nothing about safety was asked; as `tell`."""
        shown = words if len(words) <= SHOWN_LENGTH else words[: SHOWN_LENGTH - 1] + "…"
        said = self._texts("distress.unasked", person=self._person(member), time=f"{to_tokyo(at):%m-%d %H:%M}")
        message = Message(text=f"{said}\n{self._texts('distress.said', words=shown)}")
        people = await self._officers(db, member, member.id)
        return await self._send(db, people, message, f"distress:unasked:{member.id}:{key}") > 0

    async def take(self, db: AsyncConnection, broadcast_id: int, member_id: int, officer: Member) -> str:
        """Note that an officer sees to somebody, tell the others and the person; what to say to the officer."""
        texts = self._texts
        values = {"broadcast_id": broadcast_id, "member_id": member_id}
        call = (await db.execute(_CALL, values)).first()
        notice = (await db.execute(select(broadcasts).where(broadcasts.c.id == broadcast_id))).first()
        if call is None or notice is None:
            return texts("distress.none")
        if not officer.roles & OFFICERS and officer.id not in await self._officers(
            db, await self._where(db, member_id), notice.author_id
        ):
            return texts("distress.not_yours")
        needy = (await db.execute(_NAMED.where(members.c.id == member_id))).one()
        person = texts("distress.person", name=needy.name, department=needy.department)
        now = self._clock.now()
        won = await db.execute(
            update(help_calls)
            .where(
                help_calls.c.broadcast_id == broadcast_id,
                help_calls.c.member_id == member_id,
                help_calls.c.taken_by.is_(None),
            )
            .values(taken_by=officer.id, taken_at=now)
        )
        if not won.rowcount:
            taken = (await db.execute(_CALL, values)).one()
            name = await db.scalar(select(members.c.name).where(members.c.id == taken.taken_by))
            return texts("distress.already", person=person, name=name, time=f"{to_tokyo(taken.taken_at):%m-%d %H:%M}")
        state = texts(f"distress.{call.choice}")
        others = [
            each
            for each in await self._officers(db, await self._where(db, member_id), notice.author_id)
            if each != officer.id
        ]
        key = f"distress-taken:{broadcast_id}:{member_id}:{now.isoformat()}"  # a new need can be taken anew
        said = texts("distress.others", name=officer.name, person=person, state=state)
        await self._send(db, others, Message(text=self._wording.marked(notice.kind, said)), f"{key}:others")
        said = texts("distress.to_person", name=officer.name)
        await self._send(db, [member_id], Message(text=self._wording.marked(notice.kind, said)), key)
        await audit.append(
            db,
            self._clock,
            actor=officer.code,
            action="distress.taken",
            subject=f"broadcast:{broadcast_id}",
            details={"member": member_id},
        )
        return texts("distress.taken", person=person)

    # -------------------------------------------------------------- in private

    def _person(self, member: Member) -> str:
        return self._texts("distress.person", name=member.name, department=member.department)

    async def _where(self, db: AsyncConnection, member_id: int) -> Member:
        row = (await db.execute(_NAMED.where(members.c.id == member_id))).one()
        return Member(member_id, "", row.name, row.department_id, row.department)

    async def _officers(self, db: AsyncConnection, member: Member, author_id: int) -> list[int]:
        """The headquarters for this person's department, and who asked; administrators where there is neither."""
        place = Departments(ids=(member.department_id,))
        found = {*await holders(db, OFFICERS, place), author_id} - {member.id}
        if not found:
            found = set(await holders(db, frozenset({ADMINISTRATOR}), place)) - {member.id}
        return sorted(found)

    async def _note(self, db: AsyncConnection, broadcast_id: int, member_id: int, state: str) -> str | None:
        """Keep the call; the name of the officer who has it already."""
        values = {"broadcast_id": broadcast_id, "member_id": member_id}
        now = self._clock.now()
        call = (await db.execute(_CALL, values)).first()
        if call is None:
            await db.execute(insert(help_calls).values(**values, choice=state, told_at=now))
            return None
        # Words after 要救助 do not make the need smaller.
        choice = call.choice if state == "words" and call.choice != "safe" else state
        changed: dict[str, Any] = {"choice": choice, "told_at": now}
        if call.choice == "safe":
            changed |= {"taken_by": None, "taken_at": None}  # a new need
        await db.execute(
            update(help_calls)
            .where(help_calls.c.broadcast_id == broadcast_id, help_calls.c.member_id == member_id)
            .values(changed)
        )
        if call.taken_by is None or call.choice == "safe":
            return None
        return await db.scalar(select(members.c.name).where(members.c.id == call.taken_by))

    async def _send(self, db: AsyncConnection, people: Sequence[int], message: Message, key: str) -> int:
        return await tell(
            db,
            self._outbox,
            self._adapters,
            people,
            [message],
            key=key,
            now=self._clock.now(),
            priority=Priority.EMERGENCY,
        )
