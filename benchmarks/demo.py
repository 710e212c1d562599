"""`kairanban serve --demo` as a process of its own: started on ports chosen beforehand, killed, and started again.

Only the process that was started here is ever signalled, by its own id.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

PATIENCE = 90.0
"""Seconds that a start may take on a busy machine."""


class DemoEnded(Exception):
    """The demo ended by itself, or does not come up; the message shows the end of its log."""


class Demo:
    """One demo on `folder`. Times are the machine's, in seconds."""

    def __init__(self, folder: Path, staff: int, seed: int) -> None:
        self.folder = folder
        self.log = folder / "demo.log"
        service_port, bot_port = free_ports(2)
        self.service_url = f"http://127.0.0.1:{service_port}"
        self.bot_url = f"http://127.0.0.1:{bot_port}"
        self.starts = 0
        self._command = [sys.executable, "-m", "config", "serve", "--demo", "--folder", str(folder)]
        self._command += ["--staff", str(staff), "--seed", str(seed)]
        self._command += ["--service-port", str(service_port), "--bot-port", str(bot_port)]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Demo:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def start(self) -> None:
        """Start the process, and return at once."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.starts += 1

    async def ready(self) -> None:
        """Return once the bot says that it is ready; raises `DemoEnded` if it ends first."""
        assert self._process is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while loop.time() < deadline:
            if self._process.returncode is not None:
                raise DemoEnded(f"The demo ended with code {self._process.returncode}.\n{self._last_lines()}")
            try:
                async with self._session.get(f"{self.bot_url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.05)
        raise DemoEnded(f"The demo was not ready after {PATIENCE:.0f} s.\n{self._last_lines()}")

    async def kill(self) -> None:
        """`kill -9`; returns once it is gone."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise DemoEnded(f"The demo ended with code {self._process.returncode}.\n{self._last_lines()}")
        os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def misbehave(self, faults: Mapping[str, float]) -> None:
        """Make the chat service misbehave towards the bot from now on; all zeros make it behave."""
        async with self._session.put(
            f"{self.service_url}/v1/admin/faults", json={**faults, "seed": self.starts}, headers=self._admin()
        ) as answer:
            answer.raise_for_status()

    async def metrics(self) -> dict[str, float]:
        """What the bot counts, by names such as `kairanban_deliveries{adapter="logochat",state="sent"}`."""
        async with self._session.get(f"{self.bot_url}/metrics") as answer:
            return metrics_in(await answer.text())

    async def delivered(self) -> dict[str, int]:
        """By a message's reference, how many members can see one; empty while nobody answers."""
        return await delivered(self._session, self.service_url, self._admin())

    def _admin(self) -> dict[str, str]:
        token = (self.folder / "admin.token").read_text(encoding="ascii")
        return {"Authorization": f"Bearer {token}"}

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


async def delivered(session: aiohttp.ClientSession, service_url: str, headers: Mapping[str, str]) -> dict[str, int]:
    """By a message's reference, how many members can see one, as a chat service counts; empty while it is away."""
    try:
        async with session.get(f"{service_url}/v1/admin/statistics", headers=headers) as answer:
            answer.raise_for_status()
            references = (await answer.json())["references"]
    except (aiohttp.ClientError, TimeoutError):
        return {}
    return {name: count["delivered"] for name, count in references.items()}


def metrics_in(text: str) -> dict[str, float]:
    """What stands in the text of `/metrics`, by name."""
    return {name: float(value) for name, value in re.findall(r"^(kairanban\S*) (\S+)$", text, re.MULTILINE)}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that the system gives to callers.

    A port that callers get could be taken by one of our own calls while the demo is down; a call to such a port may
    even be answered by itself.
    """
    held: list[socket.socket] = []
    for port in random.sample(range(20_000, 30_000), 1_000):
        taken = socket.socket()
        try:
            taken.bind(("127.0.0.1", port))
        except OSError:
            taken.close()
            continue
        held.append(taken)
        if len(held) == count:
            break
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports
