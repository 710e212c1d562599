"""Telling those who look after the bot that something in the machinery is wrong, by every way that works.

A trouble is told once when it begins and once when it is over. The log always has it, at error level. A word in pair
talk goes through the outbox, on a platform that works; a mail goes as well where somebody has no such platform, or the
database, through which the outbox goes, cannot be written. What could not be said in the chat is said once it can.

Nothing here waits for a database or a network, and nothing raises: whoever notices a trouble is in the middle of it.

    await alarms.raise_alarm("quota_used_up", subject="line", avoiding=["line"], left=0)
    await alarms.clear("quota_used_up", subject="line")

The sentences are `alarm.<kind>` and `alarm.<kind>_over` in the catalogues that the house was given, filled with the
values, `subject` among them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from bot.activity import Activity
from bot.adapter import Adapter, Delivery, Sent
from bot.clock import Clock, to_tokyo
from bot.directory import ADMINISTRATOR, HEADQUARTERS
from bot.loop import Loop
from bot.messages import Address, Message
from bot.outbox import Outbox, Outgoing
from bot.storage import Database
from bot.tables import addresses, member_roles, members
from bot.texts import Texts

log = structlog.get_logger(__name__)

CALM = timedelta(minutes=10)
"""A trouble that comes and goes is told once in this time."""
AGAIN = timedelta(seconds=30)
"""When to try again what could not be said."""
LOOK = timedelta(hours=6)
"""How often it is read who is to be told, for the hour in which the database cannot be."""
PATIENCE = 20.0
"""Seconds of the machine for one way of telling."""
MOST = 1_000
"""Troubles that are remembered."""
TOPIC = "alarm"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is to be told: chat addresses, the preferred one first, and an e-mail address."""

    id: int
    roles: frozenset[str]
    addresses: tuple[tuple[str, str], ...] = ()
    email: str | None = None


@dataclass(slots=True, eq=False)
class Trouble:
    """One trouble: since when and until when, and what has been said of it in which way."""

    kind: str
    subject: str
    values: Mapping[str, object]
    avoiding: frozenset[str]
    headquarters: bool
    since: datetime
    until: datetime | None = None
    told: set[tuple[str, bool]] = field(default_factory=set)
    """(chat or mail, whether the end)."""
    told_at: datetime | None = None

    def lacks(self, way: str) -> bool:
        """Whether there is something that has not been said in this way: the beginning, or after it the end."""
        if (way, False) not in self.told:
            return True
        return self.until is not None and (way, True) not in self.told

    def note(self, way: str, now: datetime) -> None:
        self.told.add((way, False))
        if self.until is not None:
            self.told.add((way, True))
        self.told_at = now


class Alarms:
    """Whom to tell is read from the directory: the administrators or, where there are none, the headquarters."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        chats: Collection[str],
        clock: Clock,
        activity: Activity,
        texts: Texts,
        *,
        mail: Adapter | None = None,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._chats = frozenset(chats)
        self._clock = clock
        self._texts = texts
        self._mail = mail
        self._troubles: dict[tuple[str, str], Trouble] = {}
        self._people: Sequence[Person] = ()
        self._loop = Loop("alarms", self._work, clock, activity, after_failure=AGAIN)

    async def start(self) -> None:
        """Begin to tell; what was raised before is told now."""
        await self._loop.start()

    async def stop(self) -> None:
        """End. What was not told yet stands in the log."""
        await self._loop.stop()

    @property
    def standing(self) -> tuple[str, ...]:
        """What is wrong now: `kind` or `kind subject`."""
        return tuple(f"{each.kind} {each.subject}".strip() for each in self._troubles.values() if each.until is None)

    async def raise_alarm(
        self,
        kind: str,
        *,
        subject: str = "",
        avoiding: Collection[str] = (),
        headquarters: bool = False,
        **values: object,
    ) -> None:
        """Something is wrong: `kind` names the sentence, `subject` which of several it concerns (an adapter's name).

        `avoiding` are platforms that are no way to tell of it, `headquarters` tells those as well. Raised again before
        `clear`, it is no second word.
        """
        self.note(kind, subject=subject, avoiding=avoiding, headquarters=headquarters, **values)

    async def clear(self, kind: str, *, subject: str = "") -> None:
        """It is over. Does nothing where nothing was wrong."""
        self.note_end(kind, subject=subject)

    def note(
        self,
        kind: str,
        *,
        subject: str = "",
        avoiding: Collection[str] = (),
        headquarters: bool = False,
        **values: object,
    ) -> None:
        """As `raise_alarm`, for those who cannot wait: a hook, a callback."""
        now = self._clock.now()
        known = self._troubles.get((kind, subject))
        if known is not None and known.until is None:
            return
        log.error("alarm_raised", kind=kind, subject=subject, **{f"with_{name}": each for name, each in values.items()})
        if known is not None and known.told_at is not None and now < known.told_at + CALM:
            known.until = None  # it has come back before anybody could have looked; the next word is its end
            known.told -= {("chat", True), ("mail", True)}
            return
        self._troubles.pop((kind, subject), None)
        self._troubles[kind, subject] = Trouble(kind, subject, values, frozenset(avoiding), headquarters, now)
        while len(self._troubles) > MOST:
            del self._troubles[next(iter(self._troubles))]
        self._loop.ring()

    def note_end(self, kind: str, *, subject: str = "") -> None:
        """As `clear`, for those who cannot wait."""
        known = self._troubles.get((kind, subject))
        if known is None or known.until is not None:
            return
        log.warning("alarm_over", kind=kind, subject=subject)
        known.until = self._clock.now()
        self._loop.ring()

    # ------------------------------------------------------------ telling

    async def _work(self) -> datetime | None:
        """Tell what has not been told; when to look again."""
        open_troubles = [each for each in self._troubles.values() if each.lacks("chat")]
        if open_troubles or self._mail is not None:
            await self._look_up()
        failed = False
        for trouble in open_troubles:
            if not await self._told(trouble):
                failed = True
        if failed:
            return self._clock.now() + AGAIN
        return None if self._mail is None else self._clock.now() + LOOK

    async def _told(self, trouble: Trouble) -> bool:
        people = self._concerned(trouble)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._enqueue(trouble, self._sentence(trouble, "chat"), people)
        except Exception as error:
            log.error("alarm_not_enqueued", kind=trouble.kind, error=type(error).__name__)
        else:
            trouble.note("chat", self._clock.now())
            return True
        if trouble.lacks("mail"):
            await self._post(trouble, self._sentence(trouble, "mail"), people)
        return False

    async def _enqueue(self, trouble: Trouble, text: str, people: Sequence[Person]) -> None:
        """Through the outbox: to everybody where they are reached, and by mail to whom no chat reaches."""
        items = []
        for person in people:
            chats = [way for way in person.addresses if way[0] in self._chats and way[0] not in trouble.avoiding]
            working = [way for way in chats if way[0] not in self._outbox.down]
            # Where none works, the word waits there for the platform to come back, and a mail goes besides.
            ways = [Address(name, "person", place) for name, place in (working or chats)[:1]]
            if not working and person.email and self._mail is not None and trouble.lacks("mail"):
                ways.append(Address(self._mail.name, "person", person.email))
            items += [
                Outgoing(way, Message(text=text), f"{self._key(trouble, person)}:{way.adapter}", topic=TOPIC)
                for way in ways
            ]
        if not items:
            log.error("alarm_reaches_nobody", kind=trouble.kind, people=len(people))
            return
        with suppress(IntegrityError):  # it is there: the commit of an earlier try had no answer
            async with self._database.transaction() as db:
                await self._outbox.enqueue_all(db, items)

    async def _post(self, trouble: Trouble, text: str, people: Sequence[Person]) -> None:
        """Straight to the mail server, while nothing can be put into the outbox."""
        if self._mail is None:
            return
        batch = [
            Delivery(
                0, self._key(trouble, person), Address(self._mail.name, "person", person.email), Message(text=text)
            )
            for person in people
            if person.email
        ]
        if not batch:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                outcomes = await self._mail.send(batch)
        except Exception as error:
            log.error("alarm_not_mailed", kind=trouble.kind, error=type(error).__name__)
            return
        if any(isinstance(outcome, Sent) for outcome in outcomes):
            trouble.note("mail", self._clock.now())

    def _key(self, trouble: Trouble, person: Person) -> str:
        part = "begin" if trouble.until is None else "end"
        return f"{TOPIC}:{trouble.kind}:{trouble.subject}:{int(trouble.since.timestamp() * 1000)}:{part}:{person.id}"

    def _sentence(self, trouble: Trouble, way: str) -> str:
        """What is said now: the beginning, the end, or both where the beginning has not been said in this way."""
        values = {**trouble.values, "subject": trouble.subject, "since": f"{to_tokyo(trouble.since):%m/%d %H:%M}"}
        parts = []
        if trouble.until is None or (way, False) not in trouble.told:
            parts.append(f"alarm.{trouble.kind}")
        if trouble.until is not None:
            parts.append(f"alarm.{trouble.kind}_over")
            values["until"] = f"{to_tokyo(trouble.until):%m/%d %H:%M}"
        return "\n".join(self._said(part, values) for part in parts)

    def _said(self, key: str, values: Mapping[str, Any]) -> str:
        try:
            return self._texts(key, **values)
        except (KeyError, IndexError):
            log.error("alarm_without_sentence", key=key)
            return self._texts("alarm.unknown", key=key.removeprefix("alarm."))

    # --------------------------------------------------------- whom to tell

    def _concerned(self, trouble: Trouble) -> Sequence[Person]:
        administrators = [each for each in self._people if ADMINISTRATOR in each.roles]
        return self._people if trouble.headquarters or not administrators else administrators

    async def _look_up(self) -> None:
        """Read who is to be told; where that cannot be, whoever was known before is."""
        try:
            async with asyncio.timeout(PATIENCE), self._database.snapshot() as db:
                rows = (await db.execute(_PEOPLE)).all()
        except Exception as error:
            log.error("alarm_people_unknown", error=type(error).__name__)
            return
        roles: dict[int, set[str]] = {}
        ways: dict[int, dict[tuple[str, str], None]] = {}
        emails: dict[int, str | None] = {}
        for row in rows:
            roles.setdefault(row.id, set()).add(row.role)
            emails[row.id] = row.email
            if row.adapter is not None:
                ways.setdefault(row.id, {})[row.adapter, row.address] = None
        self._people = [
            Person(number, frozenset(roles[number]), tuple(ways.get(number, ())), emails[number]) for number in roles
        ]


_PEOPLE = (
    select(members.c.id, members.c.email, member_roles.c.role, addresses.c.adapter, addresses.c.address)
    .join(member_roles, member_roles.c.member_id == members.c.id)
    .outerjoin(addresses, (addresses.c.member_id == members.c.id) & addresses.c.reachable)
    .where(
        members.c.active, member_roles.c.role.in_((ADMINISTRATOR, HEADQUARTERS)), member_roles.c.department_id.is_(None)
    )
    .order_by(members.c.id, addresses.c.preference)
)
