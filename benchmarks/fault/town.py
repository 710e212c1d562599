"""The processes of a run, each killed and started by itself: the chat service, the bot, the second platform.

Only processes that were started here are ever signalled, by their own id.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

import aiohttp

from benchmarks.demo import DemoEnded, delivered, free_ports, metrics_in
from benchmarks.fault import power_cut, shifted_clock
from benchmarks.fault.child import BOT_FOLDER, CLOCK_FILE, TELEGRAMS

Role = Literal["service", "bot", "line"]
PATIENCE = 120.0
"""Seconds that a start may take on a busy machine."""
PROGRAM = Path(__file__).parents[2]
UNLIMITED = resource.RLIM_INFINITY


class Town:
    """The processes on one folder. `program` is the tree that the bot runs from; `database` its URL, or empty."""

    def __init__(self, folder: Path, staff: int, seed: int, *, program: Path = PROGRAM, database: str = "") -> None:
        self.folder = folder
        self.starts = 0
        self.cut_writes = 0
        self.database = database
        self._program = program
        service, bot, line, self._door = free_ports(4)
        self.service_url = f"http://127.0.0.1:{service}"
        self.bot_url = f"http://127.0.0.1:{bot}"
        self._arguments = ["--folder", str(folder), "--staff", str(staff), "--seed", str(seed)]
        self._arguments += ["--ports", str(service), str(bot), str(line), "--door", str(self._door)]
        self._processes: dict[Role, asyncio.subprocess.Process] = {}
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Town:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()
        await asyncio.gather(*self._pipes)

    # ---------------------------------------------------------------- life

    async def start(self, role: Role) -> None:
        """Start a process, and return at once. What it says goes through a pipe: a full disk is no full pipe."""
        more = ["--note-unsynced", "--database", self.database] if role == "bot" else []
        self._processes[role] = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.fault.child", role, *self._arguments, *more),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._program if role == "bot" else PROGRAM,
        )
        piping = asyncio.create_task(self._pipe(role, process))
        self._pipes.add(piping)
        piping.add_done_callback(self._pipes.discard)
        self.starts += 1

    async def _pipe(self, role: Role, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with self._log(role).open("ab") as log:
            while part := await process.stdout.read(65_536):
                log.write(part)
                log.flush()

    async def ready(self, role: Role) -> None:
        """Return once it answers; raises `DemoEnded` if it ends first."""
        url = {
            "service": f"{self.service_url}/openapi.json",
            "bot": f"{self.bot_url}/healthz",
            "line": f"http://127.0.0.1:{self._door}/seen",
        }[role]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while loop.time() < deadline:
            if (code := self._processes[role].returncode) is not None:
                raise DemoEnded(f"The {role} ended with code {code}.\n{self._last_lines(role)}")
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.get(url) as answer:
                    if answer.status == 200:
                        await self._call_again(role)
                        return
            await asyncio.sleep(0.05)
        raise DemoEnded(f"The {role} was not ready after {PATIENCE:.0f} s.\n{self._last_lines(role)}")

    async def _call_again(self, role: Role) -> None:
        """Whoever has started the bot says so to the service, which otherwise waits longer and longer."""
        account = self.folder / "bot.json"
        if role == "bot" and account.exists():
            body = {"callback_url": f"{self.bot_url}/webhooks/logochat"}
            url = f"{self.service_url}/v1/admin/bots/{json.loads(account.read_bytes())['bot_id']}"
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.put(url, json=body, headers=self._admin()):
                    pass

    async def kill(self, role: Role, *, power: bool = True) -> None:
        """`kill -9`, and without `power` what was not synced is gone too; returns once the process is gone."""
        process = self._processes[role]
        if process.returncode is not None:
            raise DemoEnded(f"The {role} ended with code {process.returncode}.\n{self._last_lines(role)}")
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        if not power:
            self.cut_writes += power_cut.cut(self.folder / BOT_FOLDER)

    def fill_disk(self, *, full: bool) -> None:
        """From now on the bot cannot write to any file (`RLIMIT_FSIZE`), or can again."""
        limit = 0 if full else UNLIMITED
        resource.prlimit(self._processes["bot"].pid, resource.RLIMIT_FSIZE, (limit, UNLIMITED))

    @property
    def offset(self) -> timedelta:
        """How far everybody's clock is ahead of the machine's."""
        return shifted_clock.offset(self.folder / CLOCK_FILE)

    def pass_time(self, by: timedelta) -> None:
        """Move everybody's clock."""
        shifted_clock.move(self.folder / CLOCK_FILE, by)

    def receive_telegram(self, name: str, content: bytes) -> None:
        """What the receiver of the weather agency's telegrams does: write beside, then move."""
        folder = self.folder / TELEGRAMS
        folder.mkdir(exist_ok=True)
        draft = self.folder / f"{name}.draft"
        draft.write_bytes(content)
        draft.replace(folder / name)

    # ------------------------------------------------------------ questions

    async def misbehave(self, faults: Mapping[str, float]) -> None:
        """Make the chat service misbehave towards the bot from now on; all zeros make it behave."""
        body = {**faults, "seed": self.starts}
        async with self._session.put(f"{self.service_url}/v1/admin/faults", json=body, headers=self._admin()) as answer:
            answer.raise_for_status()

    async def line_behaves(self, behaviour: str) -> None:
        """Make the second platform behave `well`, or be `broken`, `busy`, `cut`."""
        async with self._session.post(f"http://127.0.0.1:{self._door}/behave", json={"behaviour": behaviour}) as answer:
            answer.raise_for_status()

    async def on_line(self) -> dict[str, list[str]]:
        """By staff number, what everybody has on the second platform."""
        async with self._session.get(f"http://127.0.0.1:{self._door}/seen") as answer:
            seen: dict[str, list[str]] = await answer.json()
            return seen

    async def metrics(self) -> dict[str, float]:
        """What the bot counts, by names such as `kairanban_deliveries{adapter="logochat",state="sent"}`."""
        async with self._session.get(f"{self.bot_url}/metrics") as answer:
            return metrics_in(await answer.text())

    async def delivered(self) -> dict[str, int]:
        """By a message's reference, how many members can see one; empty while nobody answers."""
        return await delivered(self._session, self.service_url, self._admin())

    async def run_command(self, *arguments: str) -> tuple[int, str]:
        """A `kairanban` command beside the bot, from the bot's program: its exit code and what it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "config", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._program,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode("utf-8", "replace")

    def _admin(self) -> dict[str, str]:
        token = (self.folder / "admin.token").read_text(encoding="ascii")
        return {"Authorization": f"Bearer {token}"}

    def _log(self, role: Role) -> Path:
        return self.folder / f"{role}.log"

    def _last_lines(self, role: Role) -> str:
        return "\n".join(self._log(role).read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
