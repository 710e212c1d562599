"""The rehearsal itself: lets the simulated staff live through the months, in virtual time, over real HTTP.

Each moment: the clock moves there; what the service and the bot had planned for it happens; then what the people do at
that moment happens, all at once; then everybody waits until it is quiet. So nothing that belongs to one moment leaks
into another, and the same seed gives the same trial.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

from bot.adapters.logochat_wire import ROOM_SIZE
from bot.bilingual import both
from bot.clock import ManualClock, to_tokyo
from trial import data
from trial.actor import Actor
from trial.agenda import Action, Agenda
from trial.behaviour import Behaviour
from trial.calendar import at, months_later, next_working_day
from trial.chance import share_out
from trial.client import Network, ServiceProblem, Wires
from trial.parameters import Parameters
from trial.population import ADMINISTRATOR, HEADQUARTERS, Person, departments, populate
from trial.storyline import Correct, Event, Notice, PairTalk, Poll, SiteReport, Storyline, TakeBack, Talk, Trouble

Settle = Callable[[], Awaitable[None]]
Progress = Callable[[int, int], None]

_ACCOUNTS_PER_CALL = 500


@dataclass(frozen=True, slots=True)
class Account:
    """A person and the user id that the service gave them."""

    person: Person
    user_id: str


@dataclass(slots=True)
class RehearsalLog:
    """What came of it: how much was done, what was refused, and the service's own statistics at the end."""

    accounts: Sequence[Account]
    virtual_days: int
    events: int = 0
    moments: int = 0
    requests: int = 0
    frames: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    statistics: Mapping[str, Any] = field(default_factory=dict)


class Rehearsal:
    """One trial. `create_accounts` first, then, when the bot knows these people and is running, `run`.

    `clock` is the one that the service and the bot go by; `settle` returns when the service, the bot and the frames
    on the WebSockets are quiet (`frames_received` counts those that have had their effect); `progress` is told after
    each virtual day how many days are done, and of how many. `wires` lead to another platform than the service.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        staff: int,
        start: date,
        months: int,
        seed: int,
        clock: ManualClock,
        service_url: str,
        admin_token: str,
        bot_id: str,
        settle: Settle,
        progress: Progress = lambda done, total: None,
        wires: Network | None = None,
    ) -> None:
        if months < 1:
            raise ValueError(both("trial", "mend.months"))
        self.people = populate(staff, seed)
        self._start = start
        self._end = months_later(start, months)
        self._clock = clock
        self._bot_id = bot_id
        self._settle = settle
        self._progress = progress
        self._parameters = parameters
        self._wires: Network = wires or Wires(service_url, admin_token)
        self._behaviour = Behaviour(parameters, seed, start)
        self._agenda = Agenda()
        self._story = Storyline(parameters, self.people, start=start, months=months, seed=seed).events()
        self._commands = data.load("phrases")["commands"]
        self._actors = {
            person.login: Actor(
                person,
                behaviour=self._behaviour,
                agenda=self._agenda,
                clock=clock,
                wires=self._wires,
                bot_id=bot_id,
                start=start,
            )
            for person in self.people
        }
        self._rooms: dict[str, str] = {}
        self._user_ids: dict[str, str] = {}
        self._log = RehearsalLog(accounts=(), virtual_days=(self._end - start).days, events=len(self._story))

    @property
    def actors(self) -> Sequence[Actor]:
        """The people at work, in the order of their staff numbers."""
        return tuple(self._actors.values())

    @property
    def frames_received(self) -> int:
        """Frames that have come in over the WebSockets and have had their effect."""
        return self._wires.frames

    @property
    def commands_sent(self) -> int:
        """Frames that the people have sent over the WebSockets."""
        return self._wires.commands

    async def create_accounts(self) -> list[Account]:
        """Give every person an account, as the trial's organiser does; for the bot's directory, too."""
        people = self.people
        async with self._wires as wires:
            for first in range(0, len(people), _ACCOUNTS_PER_CALL):
                users = [_new_user(person) for person in people[first : first + _ACCOUNTS_PER_CALL]]
                self._user_ids |= await wires.admit(users)
        accounts = [Account(person, self._user_ids[person.login]) for person in people]
        self._log.accounts = accounts
        return accounts

    async def run(self) -> RehearsalLog:
        """Live through all the months; what the service refuses is counted and does not stop the others."""
        if not self._user_ids:
            await self.create_accounts()
        self._write_diary()
        async with self._wires:
            try:
                await self._live()
                self._log.statistics = await self._wires.statistics()
            finally:
                await asyncio.gather(*(actor.client.close() for actor in self._actors.values()))
        self._log.requests = self._wires.requests + self._wires.commands
        self._log.problems.update(self._wires.problems)
        self._log.frames = self._wires.frames
        return self._log

    # ------------------------------------------------------------------ time

    async def _live(self) -> None:
        end = at(self._end, time())
        day = 0
        while (moment := self._next_moment()) is not None and moment < end:
            await self._advance(moment)
            actions = self._agenda.take(moment)
            if actions:
                await asyncio.gather(*map(self._act, actions))
                await self._settle()
            self._log.moments += 1
            today = (to_tokyo(moment).date() - self._start).days
            if today > day:
                day = today
                self._progress(day, self._log.virtual_days)
        await self._advance(end)
        self._progress(self._log.virtual_days, self._log.virtual_days)

    async def _advance(self, moment: datetime) -> None:
        """Move the clock; whoever in the service or the bot waited for this moment acts before the people do."""
        due = self._clock.next_due()
        self._clock.advance_to(moment)
        if due is not None and due <= moment:
            await self._settle()

    def _next_moment(self) -> datetime | None:
        moments = [moment for moment in (self._agenda.next_moment(), self._clock.next_due()) if moment is not None]
        return min(moments, default=None)

    async def _act(self, action: Action) -> None:
        try:
            await action()
        except ServiceProblem as problem:
            self._log.problems[str(problem)] += 1

    # ----------------------------------------------------------------- diary

    def _write_diary(self) -> None:
        for actor in self._actors.values():
            self._agenda.put(self._behaviour.signs_in_at(actor.person, self._start), actor.sign_in)
        opening = at(next_working_day(self._start), self._parameters.hours.opens)
        self._agenda.put(opening + timedelta(minutes=5), self._make_rooms)
        for event in self._story:
            self._plan(event)

    def _plan(self, event: Event) -> None:
        match event:
            case Notice():
                # Two officers share the work; the second one sends every other notice.
                officer = self._with_role(HEADQUARTERS, event.at.toordinal())
                text = self._commands["broadcast"][event.kind].format(text=event.text)
                self._agenda.put(event.at, partial(officer.tell_bot, text))
                after = timedelta(minutes=self._parameters.storyline.report_after_minutes)
                self._agenda.put(event.at + after, partial(self._ask_for_reads, officer))
            case Correct():
                self._agenda.put(event.at, partial(self._tell_of_last, event.at, "correct", event.text))
            case TakeBack():
                self._agenda.put(event.at, partial(self._tell_of_last, event.at, "recall"))
            case Poll():
                administrator = self._with_role(ADMINISTRATOR, event.at.toordinal())
                text = self._commands["survey_open"].format(days=event.open_days)
                self._agenda.put(event.at, partial(administrator.tell_bot, text))
                self._agenda.put(event.results_at, partial(self._ask_for_results, administrator))
            case Talk():
                self._agenda.put(event.at, partial(self._open_talk, event))
                for reply in event.replies:
                    actor = self._actors[reply.login]
                    self._agenda.put(reply.at, partial(self._reply, actor, event.text, reply.text, stamp=reply.stamp))
            case PairTalk():
                self._agenda.put(event.at, partial(self._pair_talk, event))
            case Trouble():
                self._agenda.put(event.at, partial(self._report_trouble, event))
            case SiteReport():
                self._agenda.put(event.at, partial(self._report_from_site, event))

    def _with_role(self, role: str, turn: int) -> Actor:
        holders = [actor for actor in self._actors.values() if role in actor.person.roles]
        return holders[turn % len(holders)]

    # --------------------------------------------------------------- actions

    async def _make_rooms(self) -> None:
        """An administrator makes a room for each department, or several where one would be too small."""
        administrator = self._with_role(ADMINISTRATOR, 0)
        colleagues = await administrator.client.colleagues()
        for title, logins in department_rooms(self.people):
            room = await administrator.client.create_room(title, [colleagues[login] for login in logins])
            self._rooms |= dict.fromkeys(logins, room)

    async def _open_talk(self, talk: Talk) -> None:
        client = self._actors[talk.login].client
        if not client.signed_in:
            return
        await client.write(self._rooms[talk.login], text=talk.text)
        if talk.with_file:
            file = data.load("phrases")["talk"]["file"]
            await client.send_file(self._rooms[talk.login], file["name"], file["text"].encode())

    async def _reply(self, actor: Actor, quote: str, text: str, *, stamp: bool) -> None:
        if actor.client.signed_in:
            await actor.answer(self._rooms[actor.person.login], text, quote=quote, stamp=stamp)

    async def _pair_talk(self, talk: PairTalk) -> None:
        client = self._actors[talk.login].client
        if client.signed_in:
            await client.write(await client.pair(self._user_ids[talk.to]), text=talk.text)

    async def _report_from_site(self, report: SiteReport) -> None:
        client = self._actors[report.login].client
        if not client.signed_in:
            return
        place = {"latitude": report.latitude, "longitude": report.longitude, "label": report.label}
        await client.write(self._rooms[report.login], location=place)
        await client.write(self._rooms[report.login], text=report.text)

    async def _report_trouble(self, trouble: Trouble) -> None:
        actor = self._actors[trouble.login]
        if actor.client.signed_in:
            await actor.tell_bot(self._commands["problem"].format(text=trouble.text))

    async def _tell_of_last(self, at: datetime, command: str, text: str = "") -> None:
        """An officer says something about the notice that went out last."""
        officer = self._with_role(HEADQUARTERS, at.toordinal())
        if officer.last_broadcast is not None:
            await officer.tell_bot(self._commands[command].format(id=officer.last_broadcast, text=text))

    async def _ask_for_reads(self, officer: Actor) -> None:
        if officer.last_broadcast is not None:
            await officer.tell_bot(self._commands["reads"].format(id=officer.last_broadcast))

    async def _ask_for_results(self, administrator: Actor) -> None:
        if administrator.last_survey is not None:
            await administrator.tell_bot(self._commands["survey_results"].format(id=administrator.last_survey))


def department_rooms(people: Sequence[Person]) -> list[tuple[str, list[str]]]:
    """A room for each department, or several of even size where one would be too small: (title, staff numbers)."""
    rooms = []
    for department in departments(people):
        logins = [person.login for person in people if person.department == department]
        parts = -(-len(logins) // (ROOM_SIZE - 1))  # the one who makes a room is in it
        ends = list(accumulate(share_out(len(logins), [1] * parts)))
        for number, (first, last) in enumerate(pairwise([0, *ends]), start=1):
            rooms.append((department if parts == 1 else f"{department} {number}", logins[first:last]))
    return rooms


def _new_user(person: Person) -> dict[str, object]:
    return {
        "login": person.login,
        "name": person.name,
        "department": person.department,
        "password": person.password,
        "can_broadcast": HEADQUARTERS in person.roles,
    }
