"""One run: who kills what when, who does what meanwhile, and when all is over."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.demo import DemoEnded
from benchmarks.fault.child import LINKED, TELEGRAMS, ways
from benchmarks.fault.count import Night, count
from benchmarks.fault.load import Load
from benchmarks.fault.town import PROGRAM, Role, Town
from benchmarks.staff import Client, Declined, Employee, Notice, Unanswered
from benchmarks.verdict import Verdict, unfinished
from trial.population import populate

FAULTS = {"rate_limited": 0.02, "error": 0.05, "hang": 0.01, "cut": 0.05}
"""How likely each misbehaviour of the chat service is for one call of the bot."""
CALM: Mapping[str, float] = dict.fromkeys(FAULTS, 0.0)
LONGEST_LIFE = 2.5
"""Seconds that the bot lives at most, once it is up."""
EARLY = 0.15
"""The share of kills that do not wait until the bot has come up."""
SHARE_OF_READERS = 0.8
SETTLED_WITHIN = 300.0
"""Seconds in which everything must have arrived once the trouble is over."""
NIGHT = timedelta(hours=6)
STEP = timedelta(minutes=10)
DISK_FULL = 6.0
"""Seconds without room on the disk; by everybody's clock a minute."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is. `program` is the tree that the bot runs from, `database` its URL or empty."""

    kills: int
    staff: int
    seed: int
    nights: bool = True
    births: int = 3
    """How often the bot is killed while it makes its database."""
    program: Path = PROGRAM
    database: str = ""


@dataclass(slots=True)
class Result:
    """What was seen."""

    verdict: Verdict = field(default_factory=Verdict)
    killed: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    repeats: int = 0
    cut_writes: int = 0
    where: str = "starting"
    """What is going on, for whoever is watching."""


class Run:
    """One run on a town whose people have signed in."""

    def __init__(self, town: Town, load: Load, plan: Plan, result: Result) -> None:
        self.town = town
        self.load = load
        self.plan = plan
        self.result = result
        self.nights: list[Night] = []
        self._random = random.Random(plan.seed + 1)  # noqa: S311 - draws moments, keeps no secret
        self._over = asyncio.Event()

    async def go(self) -> None:
        """Do everything once in peace, then amid kills, then through the nights; return when all has arrived."""
        self.result.where = "everything once, in peace"
        looking = asyncio.create_task(self.load.look_about(self._over))
        try:
            for name in self.load.acts:
                await self.load.act(self.load.officers[0], name)
            self.load.drop_telegram()
            async with asyncio.TaskGroup() as trouble:
                trouble.create_task(self._kill_and_start())
                for officer in self.load.officers:
                    trouble.create_task(self._act(officer))
        finally:
            self._over.set()
        await looking
        await self.town.misbehave(CALM)
        if self.plan.nights:
            await self._chat_away()
            await self._second_platform_away()
            await self._disk_full()
        await self._settle()

    # --------------------------------------------------------------- trouble

    async def _kill_and_start(self) -> None:
        for number in range(self.plan.kills):
            self.result.where = f"kills {number}/{self.plan.kills}"
            if number and self._random.random() < EARLY:
                await asyncio.sleep(self._random.uniform(0, LONGEST_LIFE / 2))
                moment = ", soon after a start"
            else:
                await self.town.ready("bot")
                await self.town.misbehave(FAULTS)
                if self._random.random() < 0.3:
                    self.load.drop_telegram()
                await asyncio.sleep(self._random.uniform(0, LONGEST_LIFE))
                moment = ""
            await self._kill(moment)
        await self.town.ready("bot")
        self._over.set()

    async def _kill(self, moment: str) -> None:
        """Kill the bot or the service or both; every other death of the bot is a power cut."""
        roles: tuple[Role, ...] = self._random.choices((("bot",), ("service",), ("bot", "service")), weights=(7, 2, 1))[
            0
        ]
        power = self._random.random() < 0.5
        for role in roles:
            await self.town.kill(role, power=power or role != "bot")
        names = [f"{role}, from power" if role == "bot" and not power else role for role in roles]
        self.result.killed[" and ".join(names) + moment] += 1
        for role in roles:
            await self.town.start(role)
        if "service" in roles:
            await self.town.ready("service")

    async def _act(self, officer: Employee) -> None:
        while not self._over.is_set():
            await self.load.act(officer)

    # ---------------------------------------------------------------- nights

    async def _chat_away(self) -> None:
        """The chat service is away for hours, in the middle of a notice: whoever has another way gets it there."""
        self.result.where = "six hours without the chat service"
        officer = self.load.officers[0]
        await self._settle()
        await self.load.act(officer, "notice")
        waiting = await self.load.plain(officer)
        await self.town.kill("service")
        since = datetime.now(UTC) + self.town.offset
        await self._pass(NIGHT, STEP)
        await self.town.start("service")
        await self.town.ready("service")
        _, second = ways(populate(self.plan.staff, self.plan.seed))
        self.nights.append(Night(since + timedelta(minutes=1), [waiting], frozenset(each.login for each in second)))
        self.result.done["hours by the clock without the chat"] += int(NIGHT / timedelta(hours=1))

    async def _second_platform_away(self) -> None:
        """The second platform fails: whoever is there first gets the notice in the chat, while it is still away."""
        self.result.where = "without the second platform"
        await self._settle()
        await self.town.line_behaves("broken")
        notice = await self.load.plain(self.load.officers[0])
        await self._pass(timedelta(minutes=2), timedelta(seconds=10))
        await self._wait_for_all(notice)
        await self.town.line_behaves("well")
        self.result.done["outages of the second platform"] += 1

    async def _wait_for_all(self, notice: Notice) -> None:
        """Return when everybody who can be has been reached in the chat; the count says who was not."""
        deadline = loop_time() + 30
        name = f"broadcast:{notice.number}"
        while loop_time() < deadline:
            if (await self.town.delivered()).get(name, 0) >= len(notice.recipients):
                return
            await asyncio.sleep(0.25)
        self.result.verdict.violations.append(
            f"Notice {notice.number}: the second platform was down, and not everybody was reached in the chat."
        )

    async def _disk_full(self) -> None:
        """The bot cannot write for a minute; what was said to it meanwhile is answered afterwards."""
        self.result.where = "without room on the disk"
        await self._settle()
        officer = self.load.officers[0]
        self.town.fill_disk(full=True)
        asking = asyncio.create_task(self.load.act(officer, "notice"))
        for _ in range(6):
            await asyncio.sleep(DISK_FULL / 6)
            self.town.pass_time(timedelta(seconds=10))
        self.town.fill_disk(full=False)
        while not asking.done():
            await asyncio.sleep(0.5)
            self.town.pass_time(timedelta(seconds=5))
        await asking
        self.result.done["minutes by the clock with a full disk"] += 1

    async def _pass(self, duration: timedelta, step: timedelta) -> None:
        for _ in range(int(duration / step)):
            self.town.pass_time(step)
            await asyncio.sleep(0.4)

    # ------------------------------------------------------------------ rest

    async def _settle(self) -> None:
        """Wait until everything has arrived: the bot has answered once more, and nothing is left to do.

        The service tells the bot everything in its order: whoever has this answer knows that all reads are in.
        Meanwhile the clock goes faster, so that nobody waits for a pause between two attempts.
        """
        deadline = loop_time() + SETTLED_WITHIN
        hurrying = asyncio.create_task(self._hurry())
        try:
            await self.load.ask(self.load.officers[0], "/既読", "既読 ")
            calm = 0
            while calm < 4 and loop_time() < deadline:
                folder = self.town.folder / TELEGRAMS
                busy = unfinished(await self.town.metrics()) or any(folder.glob("*.xml"))
                calm = 0 if busy else calm + 1
                await asyncio.sleep(0.25)
        finally:
            hurrying.cancel()

    async def _hurry(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self.town.pass_time(timedelta(seconds=3))


def loop_time() -> float:
    """The moment on the loop's clock, in seconds."""
    return asyncio.get_running_loop().time()


async def prove(folder: Path, plan: Plan, watch: Callable[[Result], None] = lambda result: None) -> Result:
    """One whole run in `folder`; whatever stops it early is a violation."""
    result = Result()
    randomness = random.Random(plan.seed)  # noqa: S311 - draws moments, keeps no secret
    people = populate(plan.staff, plan.seed)
    watch(result)
    try:
        async with (
            Town(folder, plan.staff, plan.seed, program=plan.program, database=plan.database) as town,
            Client(town.service_url) as client,
        ):
            load = Load(client, randomness, town)
            try:
                await _open(town, plan, randomness, result)
                await load.sign_in(people, SHARE_OF_READERS)
                run = Run(town, load, plan, result)
                await run.go()
                result.where = "everybody counts what they have"
                found = await count(load, run.nights)
                found.violations[:0] = result.verdict.violations
                result.verdict = found
            finally:
                result.calls, result.repeats, result.cut_writes = client.calls, client.repeats, town.cut_writes
                result.done.update(load.done)
                result.done["telegrams"] = len(load.telegrams)
    except* (DemoEnded, Unanswered, Declined) as errors:
        result.verdict.violations += [str(error) for error in _leaves(errors)]
    return result


async def _open(town: Town, plan: Plan, randomness: random.Random, result: Result) -> None:
    """Start everything; the bot is killed some times while its database is made."""
    result.where = "starting; the bot is killed while it makes its database"
    await town.start("line")
    await town.start("service")
    await town.ready("service")
    await town.ready("line")
    for _ in range(plan.births):
        await town.start("bot")
        await asyncio.sleep(randomness.uniform(1.0, 4.0))
        power = randomness.random() < 0.5
        await town.kill("bot", power=power)
        result.killed["bot, while it made its database"] += 1
    await town.start("bot")
    await town.ready("bot")
    while not (town.folder / LINKED).exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.1)


def _leaves(errors: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def new_folder() -> Path:
    """A folder for a run."""
    return Path(tempfile.mkdtemp(prefix="kairanban-fault-"))
