"""Prove from outside that no notice is lost and none comes twice, however often the process is killed.

    python -m benchmarks.fault [--kills 50] [--staff 225] [--seed 1] [--quick]

`kairanban serve --demo` runs as a process of its own. The headquarters' officers send emergency notices through the
chat, staff read and answer, and meanwhile the process is killed with `kill -9` at random moments and started again.
Between two kills the chat service turns calls of the bot away (429), fails (500), never answers, or does what it is
asked and cuts the connection before it says so. In the end everybody counts what they have. The exit code is 1 if
anything is missing, there twice, or counted wrongly.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.demo import Demo, DemoEnded
from benchmarks.staff import Client, Employee, Staff, Unanswered
from benchmarks.verdict import Verdict, judge, unfinished
from trial.population import populate

FAULTS = {"rate_limited": 0.02, "error": 0.05, "hang": 0.01, "cut": 0.05}
"""How likely each misbehaviour is for one call of the bot."""
CALM: Mapping[str, float] = dict.fromkeys(FAULTS, 0.0)
LONGEST_LIFE = 2.5
"""Seconds that the process lives at most, once it is up and has something to send."""
EARLY = 0.15
"""The share of kills that do not wait until the process has come up."""
SHARE_OF_READERS = 0.8
LISTED = 20
"""Violations that are written out."""
SETTLED_WITHIN = 300.0
"""Seconds in which everything must have arrived once the trouble is over."""


class Run:
    """One run: who kills, who sends, who reads, and how it stands."""

    def __init__(self, demo: Demo, staff: Staff, randomness: random.Random, kills: int) -> None:
        self.demo = demo
        self.staff = staff
        self.kills = kills
        self.killed: Counter[str] = Counter()  # by what was going on
        self._random = randomness
        self._over = asyncio.Event()

    async def go(self) -> None:
        """Send and read and kill until all kills are done, then wait until everything has arrived."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            async with asyncio.TaskGroup() as trouble:
                trouble.create_task(self._kill_and_start())
                trouble.create_task(self.staff.look_about(self._over))
                for officer in self.staff.officers:
                    trouble.create_task(self._send(officer))
            await self.demo.misbehave(CALM)
            await self._settle()
            watching.cancel()

    async def _kill_and_start(self) -> None:
        for number in range(self.kills):
            if number and self._random.random() < EARLY:
                await asyncio.sleep(self._random.uniform(0, LONGEST_LIFE / 2))
                moment = "soon after a start"
            else:
                await self._misbehaving()
                await self._wait(lambda: any(notice.under_way for notice in self.staff.notices), at_most=20)
                await asyncio.sleep(self._random.uniform(0, LONGEST_LIFE))
                under_way = any(notice.under_way for notice in self.staff.notices)
                moment = "while a notice was under way" if under_way else "at rest"
            await self.demo.kill()
            self.killed[moment] += 1
            await self.demo.start()
        await self._misbehaving()
        self._over.set()

    async def _misbehaving(self) -> None:
        await self.demo.ready()
        await self.demo.misbehave(FAULTS)

    async def _send(self, officer: Employee) -> None:
        while not self._over.is_set():
            notice = await self.staff.send_notice(officer)
            if self._random.random() < 0.5:  # otherwise the next one is begun before this one has arrived
                await self._wait(lambda: not notice.under_way or self._over.is_set(), at_most=60)  # noqa: B023 - awaited here

    async def _watch(self) -> None:
        """Note when each notice has reached everybody."""
        while True:
            delivered = await self.demo.delivered()
            for notice in self.staff.notices:
                reached = delivered.get(f"broadcast:{notice.number}", 0)
                if notice.under_way and reached >= len(notice.recipients):
                    notice.everywhere_at = loop_time()
            await asyncio.sleep(0.25)

    async def _settle(self) -> None:
        """Wait until everything has arrived: the bot has answered once more, and nothing is left to do."""
        await self._wait(lambda: not any(notice.under_way for notice in self.staff.notices), at_most=SETTLED_WITHIN)
        # The service tells the bot everything in its order, so whoever has this answer knows that all reads are in.
        await self.staff.ask(self.staff.officers[0], "/既読", "既読 ")
        deadline = loop_time() + SETTLED_WITHIN
        while unfinished(await self.demo.metrics()) and loop_time() < deadline:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.25)

    async def _wait(self, fulfilled: Callable[[], bool], *, at_most: float) -> None:
        deadline = loop_time() + at_most
        while not fulfilled() and loop_time() < deadline:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.05)


def loop_time() -> float:
    """The moment on the loop's clock, in seconds."""
    return asyncio.get_running_loop().time()


async def prove(folder: Path, *, kills: int, staff: int, seed: int, console: Console) -> tuple[Run | None, Verdict]:
    """One whole run in `folder`, with a line of progress."""
    randomness = random.Random(seed)  # noqa: S311 - draws moments, keeps no secret
    run, verdict = None, Verdict()
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    try:
        async with Demo(folder, staff, seed) as demo, Client(demo.service_url) as client:
            with Progress(*columns, console=console) as bar:
                line = bar.add_task("the demo starts")
                await demo.start()
                await demo.ready()
                bar.update(line, description=f"{staff} members sign in")
                crowd = Staff(client, randomness)
                await crowd.sign_in(populate(staff, seed), SHARE_OF_READERS)
                run = Run(demo, crowd, randomness, kills)
                showing = asyncio.create_task(_show(run, bar, line))
                try:
                    await run.go()
                finally:
                    showing.cancel()
                bar.update(line, description="everybody counts what they have")
                verdict = await judge(crowd, demo)
    except* (DemoEnded, Unanswered) as errors:
        verdict.violations += [str(error) for error in _leaves(errors)]
    return run, verdict


async def _show(run: Run, bar: Progress, line: TaskID) -> None:
    while True:
        notices = run.staff.notices
        under_way = sum(notice.under_way for notice in notices)
        bar.update(
            line,
            description=f"kills {run.killed.total()}/{run.kills} · notices {len(notices)}, {under_way} under way"
            f" · calls {run.staff.client.calls}, repeated {run.staff.client.repeats}",
        )
        await asyncio.sleep(0.5)


def report(run: Run, verdict: Verdict, seconds: float, console: Console) -> None:
    """The table at the end."""
    table = Table("what", "how much", title="The fault test, as the members saw it")
    for moment, count in sorted(run.killed.items()):
        table.add_row(f"killed {moment}", f"{count}")
    waits = sorted(
        notice.everywhere_at - notice.pressed_at
        for notice in run.staff.notices
        if notice.everywhere_at is not None and notice.pressed_at is not None
    )
    for what, count in (
        ("killed in all", run.killed.total()),
        ("notices sent", len(run.staff.notices)),
        ("messages of notices that members have", verdict.copies),
        ("reads, by members and by the bot", verdict.reads),
        ("people's answers, by members and by the bot", verdict.answers),
        ("calls of the staff", run.staff.client.calls),
        ("of these made again", run.staff.client.repeats),
        ("violations", len(verdict.violations)),
    ):
        table.add_row(what, f"{count:,}")
    if waits:
        table.add_row("from the button until everybody had it, median", f"{statistics.median(waits):.1f} s")
        table.add_row("the longest", f"{waits[-1]:.1f} s")
    table.add_row("took", f"{seconds:.0f} s")
    console.print(table)


def main() -> int:
    """0 if everything is as it must be."""
    options = argparse.ArgumentParser(description="Kill the demo again and again; see whether anything is lost.")
    options.add_argument("--kills", type=int, help="default 50, with --quick 5")
    options.add_argument("--staff", type=int, help="default 225, with --quick 24")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--quick", action="store_true", help="a small run in less than a minute")
    given = options.parse_args()
    kills = given.kills or (5 if given.quick else 50)
    staff = given.staff or (24 if given.quick else 225)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="kairanban-fault-"))
    began = time.perf_counter()
    run, verdict = uvloop.run(prove(folder, kills=kills, staff=staff, seed=given.seed, console=console))
    if run is not None:
        report(run, verdict, time.perf_counter() - began, console)
    for violation in verdict.violations[:LISTED]:
        console.print(f"[red]violation[/] {violation}", markup=True)
    if len(verdict.violations) > LISTED:
        console.print(f"… and {len(verdict.violations) - LISTED} more.")
    if verdict.violations:
        console.print(f"Everything is kept in {folder}.")
        return 1
    shutil.rmtree(folder)
    console.print("Every member has every notice exactly once, and every read and answer is counted once.")
    return 0


def _leaves(errors: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
