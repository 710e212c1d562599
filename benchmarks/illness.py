"""Prove with the whole bot that a database which cannot be written costs nobody a notice.

    python -m benchmarks.illness [--only full read-only locked postgresql] [--seconds N] [--staff 24] [--seed 1]

A chat service, the bot and its staff run in this process on the real clock. While officers send emergency notices and
staff read and answer, the bot's database falls ill: its disk is full for a minute (a tmpfs of its own; needs root), it
is read-only for a minute, another program holds its lock for two, or PostgreSQL turns read-only for a minute. Then it
is mended, and nobody restarts or types anything. In the end everybody counts what they have, as in `make fault`, and
no event may have been given up. An illness that the bot did not notice counts as a violation, too: nothing was tried.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import uvloop

import benchmarks.staff
from benchmarks.staff import Client, Employee, Staff, Unanswered
from benchmarks.verdict import Verdict, judge, unfinished
from bot.activity import Activity
from bot.clock import SystemClock
from bot.storage import Database
from config import logs
from config.settings import Storage
from config.stage import Stage, open_stage
from tests import faults, postgres
from trial.population import populate

SECONDS = {"full": 60, "read-only": 60, "locked": 120, "postgresql": 60}
ROOM = "32m"
"""Of the disk that is filled."""
WELL = 5.0
"""Seconds of ordinary work before the illness and after it."""
SETTLED_WITHIN = 300.0
benchmarks.staff.ANSWERED_WITHIN = 300.0

Illness = Callable[[Database], AbstractAsyncContextManager[None]]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own below `folder`."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0700", "none", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(disk)], check=True)


def filling(disk: Path) -> Illness:
    """Whatever room is left is taken by another file."""

    @asynccontextmanager
    async def full(_: Database) -> AsyncIterator[None]:
        async def fill() -> None:
            with (disk / "ballast").open("ab", buffering=0) as ballast:
                while True:  # what is freed meanwhile, too
                    try:
                        while ballast.write(b"\0" * 4096):
                            pass
                    except OSError:
                        await asyncio.sleep(0.2)

        filler = asyncio.create_task(fill())
        try:
            yield
        finally:
            filler.cancel()
            await asyncio.gather(filler, return_exceptions=True)
            (disk / "ballast").unlink()

    return full


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[None]:
    """Another program holds the write lock.

    It waits for the lock in a thread: the bot, which has it now, lives on this loop.
    """
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with faults.locked(database):
            held.set()
            over.wait()

    holder = asyncio.create_task(asyncio.to_thread(hold))
    waiting = asyncio.create_task(asyncio.to_thread(held.wait))
    await asyncio.wait({holder, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if holder.done():
            held.set()
            await holder
        yield
    finally:
        over.set()
        await holder


class Run:
    """One illness, from a well bot to a well bot."""

    def __init__(self, stage: Stage, staff: Staff, session: aiohttp.ClientSession) -> None:
        self.stage = stage
        self.staff = staff
        self._session = session
        self._over = asyncio.Event()
        self.felt: set[str] = set()

    async def go(self, illness: Illness, seconds: float) -> float:
        """Everything; how many seconds after the mend nothing was left to do."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.staff.look_about(self._over))
            for officer in self.staff.officers:
                tasks.create_task(self._send(officer))
            await asyncio.sleep(WELL)
            async with illness(self.stage.house.database):
                ending = time.monotonic() + seconds
                while time.monotonic() < ending:
                    await self._feel()
                    await asyncio.sleep(2)
            mended = time.monotonic()
            await asyncio.sleep(WELL)
            self._over.set()
        await self.staff.ask(self.staff.officers[0], "/既読", "既読 ")
        deadline = mended + SETTLED_WITHIN
        while unfinished(await self.metrics()) and time.monotonic() < deadline:  # noqa: ASYNC110 - of other tasks
            await asyncio.sleep(0.25)
        return time.monotonic() - mended

    async def metrics(self) -> dict[str, float]:
        """What the bot counts."""
        async with self._session.get(f"{self.stage.bot_url}/metrics") as answer:
            text = await answer.text()
        return {name: float(value) for name, value in re.findall(r"^(kairanban\S*) (\S+)$", text, re.MULTILINE)}

    async def _feel(self) -> None:
        async with self._session.get(f"{self.stage.bot_url}/readyz") as answer:
            if answer.status != 200:
                self.felt |= {line for line in (await answer.text()).splitlines() if "not ready" in line}

    async def _send(self, officer: Employee) -> None:
        while not self._over.is_set():
            await self.staff.send_notice(officer)
            await asyncio.sleep(1)


async def prove(name: str, seconds: float, staff: int, seed: int, folder: Path) -> Verdict:
    """Play one illness and judge."""
    verdict = Verdict()
    people = populate(staff, seed)
    randomness = random.Random(seed)  # noqa: S311 - draws choices, keeps no secret
    with ExitStack() as stack:
        illness: Illness = {"read-only": faults.read_only, "locked": locked}.get(name, faults.read_only_postgresql)
        storage = Storage(folder=folder / "bot")
        if name == "full":
            disk = stack.enter_context(small_disk(folder))
            illness, storage = filling(disk), Storage(folder=disk / "bot")
        elif name == "postgresql":
            server = stack.enter_context(postgres.running())
            storage = Storage(folder=folder / "bot", database=await server.new_database())
        async with (
            open_stage(
                folder, people, clock=SystemClock(), activity=Activity(), durability="full", storage=storage
            ) as stage,
            Client(stage.service.url) as client,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        ):
            crowd = Staff(client, randomness)
            await crowd.sign_in(people, 0.8)
            run = Run(stage, crowd, session)
            try:
                settled = await run.go(illness, seconds)
                verdict = await judge(crowd, run)
            except* Unanswered as errors:
                verdict.violations += [str(error) for error in errors.exceptions]
                settled = SETTLED_WITHIN
            if not run.felt:
                verdict.violations.append("The bot was ready throughout: the illness was not felt.")
            print(
                f"{name}: ill for {seconds:.0f} s, all done {settled:.0f} s after the mend;"
                f" {len(crowd.notices)} notices, {verdict.copies} copies, {verdict.reads} reads,"
                f" {verdict.answers} people's answers, {client.repeats} calls repeated,"
                f" {len(verdict.violations)} violations"
            )
            for line in sorted(run.felt)[:4]:
                print(f"    /readyz said: {line}")
    return verdict


def main() -> int:
    """0 if everything is as it must be."""
    options = argparse.ArgumentParser(description="Let the database fall ill; see whether anything is lost.")
    options.add_argument("--only", nargs="+", choices=list(SECONDS), default=list(SECONDS))
    options.add_argument("--seconds", type=float, help="how long each illness lasts; by default 60, a lock 120")
    options.add_argument("--staff", type=int, default=24)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    logs.configure()
    violations = 0
    for name in given.only:
        folder = Path(tempfile.mkdtemp(prefix="kairanban-illness-"))
        verdict = uvloop.run(prove(name, given.seconds or SECONDS[name], given.staff, given.seed, folder))
        for violation in verdict.violations[:20]:
            print(f"  violation: {violation}")
        violations += len(verdict.violations)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
