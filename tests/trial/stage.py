"""The real chat service, the little bot and a rehearsal on one virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path

from bot.clock import ManualClock
from tests.trial.little_bot import LittleBot
from trial.calendar import at
from trial.client import Wires
from trial.parameters import Parameters, load_parameters
from trial.rehearsal import Rehearsal, RehearsalLog
from trial.service.passwords import REHEARSAL
from trial.service.service import ChatService

DEFAULT = Path(__file__).parents[2] / "config" / "trial" / "default.toml"


@dataclass
class Played:
    """A rehearsal that is over."""

    rehearsal: Rehearsal
    log: RehearsalLog
    bot: LittleBot
    progress: list[tuple[int, int]]


async def play(
    folder: Path,
    *,
    staff: int = 12,
    start: date = date(2023, 9, 1),
    months: int = 2,
    seed: int = 1,
    parameters: Parameters | None = None,
    bot: LittleBot | None = None,
    before: Callable[[Rehearsal], None] = lambda rehearsal: None,
) -> Played:
    """Rehearse from beginning to end against the real service, kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - a test waits for its folder
    clock = ManualClock(at(start, time()))
    service = ChatService(
        database=folder / "service.db",
        files=folder / "files",
        clock=clock,
        admin_token="administrator's token",
        password_cost=REHEARSAL,
    )
    await service.start()
    bot = bot or LittleBot()
    await bot.start()
    progress: list[tuple[int, int]] = []
    try:
        async with Wires(service.url) as wires:
            access = await wires.call(
                "POST", "/v1/admin/bots", "administrator's token", {"name": "bot", "callback_url": bot.url}
            )

        async def settle() -> None:
            while (
                not service.activity.is_idle
                or service.frames_taken != rehearsal.commands_sent
                or service.frames_sent != rehearsal.frames_received
            ):
                await service.activity.idle()
                await asyncio.sleep(0)

        rehearsal = Rehearsal(
            parameters or load_parameters(DEFAULT),
            staff=staff,
            start=start,
            months=months,
            seed=seed,
            clock=clock,
            service_url=service.url,
            admin_token="administrator's token",
            bot_id=access["bot_id"],
            settle=settle,
            progress=lambda done, total: progress.append((done, total)),
        )
        accounts = await rehearsal.create_accounts()
        bot.connect(service.url, access["token"], [account.user_id for account in accounts])
        before(rehearsal)
        log = await rehearsal.run()
    finally:
        await bot.stop()
        await service.stop()
    return Played(rehearsal, log, bot, progress)
