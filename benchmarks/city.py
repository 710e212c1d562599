"""A city of any size in a database of its own, with a notice to everybody: what `benchmarks.scale` works on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert

from bot.activity import Activity
from bot.adapters.logochat import LogoChat
from bot.clock import SystemClock
from bot.directory import DUTY_OFFICER, HEADQUARTERS, Member, member_by_code
from bot.outbox import Outbox
from bot.storage import Database
from bot.tables import addresses, departments, member_roles, members
from bot.texts import Texts
from broadcasts.service import Broadcasts, Confirmation

SECRET = "benchmark-secret"
TOKEN = "benchmark-token"
TEXT = "大雨特別警報が出ました。すぐに命を守る行動をとってください。"
OFFICER = "1"
_DEPARTMENTS = 40
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class City:
    """The parts of a house that send a notice, on the real clock; nothing is started yet."""

    database: Database
    adapter: LogoChat
    outbox: Outbox
    broadcasts: Broadcasts
    activity: Activity
    clock: SystemClock
    officer: Member


@asynccontextmanager
async def city(folder: Path, people: int, service_url: str) -> AsyncIterator[City]:
    """A city with `people` members of staff; its commits survive a power cut, as those of an installation do."""
    clock, activity = SystemClock(), Activity()
    database = Database.open(f"sqlite+aiosqlite:///{folder / 'city.sqlite3'}", durability="full")
    await database.create_tables()
    await _settle(database, people)
    adapter = LogoChat(service_url, TOKEN, SECRET)
    plugged = {adapter.name: adapter}
    outbox = Outbox(database, plugged, clock, activity)
    texts = Texts("bot", "broadcasts")
    broadcasts = Broadcasts(database, outbox, plugged, clock, activity, texts)
    async with database.snapshot() as db:
        officer = await member_by_code(db, OFFICER)
    assert officer is not None
    try:
        yield City(database, adapter, outbox, broadcasts, activity, clock, officer)
    finally:
        await database.close()


async def _settle(database: Database, people: int) -> None:
    async with database.transaction() as db:
        sections = range(1, _DEPARTMENTS + 1)
        await db.execute(insert(departments), [{"id": n, "code": f"d{n}", "name": f"第{n}課"} for n in sections])
        for start in range(1, people + 1, _ROWS):
            numbers = range(start, min(start + _ROWS, people + 1))
            await db.execute(
                insert(members),
                [{"id": n, "code": f"{n}", "name": f"職員{n}", "department_id": n % _DEPARTMENTS + 1} for n in numbers],
            )
            await db.execute(
                insert(addresses), [{"member_id": n, "adapter": "logochat", "address": f"u{n}"} for n in numbers]
            )
        await db.execute(
            insert(member_roles), [{"member_id": int(OFFICER), "role": role} for role in (HEADQUARTERS, DUTY_OFFICER)]
        )


async def draft(here: City) -> tuple[int, str]:
    """An emergency to everybody, drafted and previewed; its number and the preview's fingerprint."""
    async with here.database.transaction() as db:
        number = await here.broadcasts.draft(db, here.officer, TEXT, kind="emergency")
    async with here.database.snapshot() as db:
        return number, (await here.broadcasts.preview(db, number)).fingerprint


async def send(here: City, number: int, fingerprint: str) -> Confirmation:
    """Confirm it: afterwards every recipient and every delivery is durably in the database."""
    async with here.database.transaction() as db:
        return await here.broadcasts.confirm(db, number, here.officer, fingerprint, repeats=number)


@asynccontextmanager
async def memory() -> AsyncIterator[Callable[[], float]]:
    """How much more memory the process has held at most than at the beginning of the block, in MB (10⁶ bytes).

    Looked at a hundred times a second; resident memory, so what the database driver takes is in it.
    """
    before = most = _resident()

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, _resident())
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield lambda: (max(most, _resident()) - before) / 1e6
    finally:
        watching.cancel()


def _resident() -> int:
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - a hundred times a second, the shortest way
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
