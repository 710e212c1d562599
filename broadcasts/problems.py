"""Reports of problems (`/不具合`): somebody is told at once, answers, closes; whoever reported hears of each.

Administrators see to them; the headquarters may, too, and are told where no administrator can be reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit, usage
from bot.clock import Clock, to_tokyo
from bot.directory import ADMINISTRATOR, HEADQUARTERS, Member
from bot.errors import Forbidden, Refused
from bot.messages import Message
from bot.outbox import Outbox
from bot.tables import departments, members
from bot.texts import Texts
from bot.usage import problem_answers, problem_reports
from broadcasts.audience import EVERYONE
from broadcasts.rights import holders
from broadcasts.telling import tell

SEE_TO = frozenset({ADMINISTRATOR, HEADQUARTERS})
SHOWN_LENGTH = 1000
"""Characters of a report that are passed on in one message; all of them are kept."""
LISTED = 50
"""Reports in one list, the newest ones."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said to a report; without a text it was closed without a word."""

    by: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody said is wrong, and what became of it."""

    number: int
    member_id: int
    name: str
    department: str
    at: datetime
    text: str
    closed_at: datetime | None
    answers: tuple[Answer, ...] = ()


class Problems:
    """Takes reports, and what those who see to them do; all in the caller's transaction."""

    def __init__(self, outbox: Outbox, adapters: Sequence[str], clock: Clock, texts: Texts) -> None:
        self._outbox = outbox
        self._adapters = tuple(adapters)
        self._clock = clock
        self._texts = texts

    async def report(self, db: AsyncConnection, member: Member, words: str, *, at: datetime) -> tuple[int, bool]:
        """Keep what somebody says is wrong and tell those who see to it: its number, and whether anybody is told."""
        number = await usage.report_problem(db, member.id, at, words)
        said = self._texts(
            "problem.told",
            number=number,
            name=member.name,
            department=member.department,
            time=f"{to_tokyo(at):%m-%d %H:%M}",
            words=shortened(words, SHOWN_LENGTH),
        )
        readers: set[int] = set()
        for role in (ADMINISTRATOR, HEADQUARTERS):
            readers = set(await holders(db, frozenset({role}), EVERYONE))
            others = sorted(readers - {member.id})
            if others and await self._tell(db, others, said, f"problem:{number}:{role}"):
                return number, True
        return number, bool(member.roles & SEE_TO)

    async def answer(
        self, db: AsyncConnection, number: int, actor: str, words: str, *, closes: bool = False
    ) -> tuple[Report, bool]:
        """Say something to whoever reported, or close the report, or both: the report, and whether they are reached.

        Raises `Refused` for a number that nobody has, an answer without words, and what is closed already.
        """
        words = words.strip()
        report = await self.find(db, number)
        now = self._clock.now()
        if closes:
            mine = (problem_reports.c.id == number) & problem_reports.c.closed_at.is_(None)
            if not (await db.execute(update(problem_reports).where(mine).values(closed_at=now))).rowcount:
                raise Refused("problem.closed_already", number=number)
        elif not words:
            raise Refused("problem.answer_usage", number=number)
        stored = await db.execute(insert(problem_answers).values(problem_id=number, actor=actor, at=now, text=words))
        assert stored.inserted_primary_key is not None
        about = self._texts("problem.about", number=number, words=shortened(report.text, 100))
        lines = [self._texts("problem.closed_for_you" if closes else "problem.answered_for_you", number=number)]
        said = "\n".join([*lines, *([words] if words else []), about])
        reached = await self._tell(db, [report.member_id], said, f"problem-answer:{stored.inserted_primary_key[0]}")
        await audit.append(
            db,
            self._clock,
            actor=actor,
            action="problem.closed" if closes else "problem.answered",
            subject=f"problem:{number}",
        )
        return report, reached

    async def find(self, db: AsyncConnection, number: int) -> Report:
        """One report with its answers. Raises `Refused` if there is none of this number."""
        found = await self._reports(db, [number])
        if not found:
            raise Refused("problem.none_such", number=number)
        return found[0]

    async def listed(self, db: AsyncConnection, *, closed: bool = False) -> tuple[int, list[Report]]:
        """How many are open (with `closed`: were ever reported), and the newest of them."""
        wanted = select(problem_reports.c.id)
        if not closed:
            wanted = wanted.where(problem_reports.c.closed_at.is_(None))
        count = await db.scalar(select(func.count()).select_from(wanted.subquery())) or 0
        numbers = (await db.scalars(wanted.order_by(problem_reports.c.id.desc()).limit(LISTED))).all()
        return count, await self._reports(db, numbers)

    # -------------------------------------------------------------- in private

    async def _reports(self, db: AsyncConnection, numbers: Sequence[int]) -> list[Report]:
        answers: dict[int, list[Answer]] = {}
        query = (
            select(problem_answers, members.c.name)
            .outerjoin(members, members.c.code == problem_answers.c.actor)
            .where(problem_answers.c.problem_id.in_(numbers))
            .order_by(problem_answers.c.id)
        )
        for row in await db.execute(query):
            answers.setdefault(row.problem_id, []).append(Answer(row.name or row.actor, row.at, row.text))
        rows = await db.execute(
            select(problem_reports, members.c.name, departments.c.name.label("department"))
            .join(members, members.c.id == problem_reports.c.member_id)
            .join(departments, departments.c.id == members.c.department_id)
            .where(problem_reports.c.id.in_(numbers))
            .order_by(problem_reports.c.id)
        )
        return [
            Report(
                row.id,
                row.member_id,
                row.name,
                row.department,
                row.at,
                row.text,
                row.closed_at,
                tuple(answers.get(row.id, ())),
            )
            for row in rows
        ]

    async def _tell(self, db: AsyncConnection, people: Sequence[int], said: str, key: str) -> bool:
        now = self._clock.now()
        return await tell(db, self._outbox, self._adapters, people, [Message(text=said)], key=key, now=now) > 0


def require(member: Member, action: str, subject: str = "problems") -> None:
    """Raise `Forbidden` unless the member sees to reports of problems."""
    if not member.roles & SEE_TO:
        raise Forbidden("problem.not_yours", actor=member.code, action=f"problem.{action}", subject=subject)


def shown(texts: Texts, count: int, reports: Sequence[Report], *, closed: bool, length: int = 200) -> list[str]:
    """A list in lines, one report after the other; `length` characters of each text."""
    if not reports:
        return [texts("problem.list.none_ever" if closed else "problem.list.none")]
    lines = [texts("problem.list.all" if closed else "problem.list.open", count=count)]
    if len(reports) < count:
        lines.append(texts("problem.list.newest", count=len(reports)))
    for report in reports:
        lines += one(texts, report, length=length)
    return [*lines, texts("problem.list.how")]


def one(texts: Texts, report: Report, *, length: int) -> list[str]:
    """A report in lines, with what was said to it."""
    state = texts("problem.list.done" if report.closed_at else "problem.list.waits")
    lines = [
        texts(
            "problem.list.entry",
            number=report.number,
            name=report.name,
            department=report.department,
            time=f"{to_tokyo(report.at):%Y-%m-%d %H:%M}",
            state=state,
        ),
        shortened(report.text, length),
    ]
    for answer in report.answers:
        words = shortened(answer.text, length) or texts("problem.list.no_words")
        time = f"{to_tokyo(answer.at):%Y-%m-%d %H:%M}"
        lines.append(texts("problem.list.answer", name=answer.by, time=time, words=words))
    return lines


def shortened(words: str, length: int) -> str:
    """At most so many characters, the last of them a mark where some are left out."""
    return words if len(words) <= length else words[: length - 1] + "…"
