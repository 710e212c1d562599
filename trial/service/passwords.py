"""Passwords under argon2id, hashed in a thread so that nobody waits for somebody else's sign-in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")
_AT_ONCE = 2
"""Passwords under way at once: at the standard cost, 128 MiB."""


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """What one guess costs: passes over `memory_kib` KiB by `parallelism` lanes."""

    time: int
    memory_kib: int
    parallelism: int


STANDARD = PasswordCost(time=3, memory_kib=65_536, parallelism=4)
"""The second recommended choice of RFC 9106, section 4: about 50 ms a sign-in."""

REHEARSAL = PasswordCost(time=1, memory_kib=64, parallelism=1)
"""For simulated people, whose passwords protect nothing: 1,200 of them sign in within a second."""


class Passwords:
    """Hashes and checks passwords at one cost; a hash made at another cost is still checked correctly."""

    def __init__(self, cost: PasswordCost) -> None:
        self._hasher = PasswordHasher(cost.time, cost.memory_kib, cost.parallelism)
        # Of its own: guesses must not take the threads in which files are written, nor all processors.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="password")
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def check(self, password: str, stored: str | None) -> bool:
        """Whether this is the password; for an unknown login (None) it takes as long and says no."""
        matches = await self._in_thread(lambda: self._matches(password, stored or self._nobody))
        return matches and stored is not None

    async def hash_changed(self, given: Sequence[tuple[str, str | None]]) -> list[str | None]:
        """For each (password, stored hash): a new hash, or None where the stored one already fits."""

        def work() -> list[str | None]:
            return [
                None if stored and self._matches(password, stored) else self._hasher.hash(password)
                for password, stored in given
            ]

        return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _matches(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
