"""A stage: the chat service under rehearsal, the bot, and the simulated staff's accounts, plugged together over HTTP.

`kairanban trial` plays on it in virtual time, `kairanban serve --demo` leaves it standing on fixed ports. Everything
is kept in one folder, and a stage that is opened again on the same folder goes on where it was, even after `kill -9`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
from pydantic import SecretStr
from sqlalchemy import select

from bot import directory
from bot.activity import Activity
from bot.clock import Clock
from bot.ownership import keep_private, make_private
from bot.serving import serving
from bot.storage import Durability
from bot.tables import members
from config.house import House, open_house
from config.people import entries
from config.platforms import LogoChatTable
from config.settings import Server, Settings, Storage
from trial.population import HEADQUARTERS, Person
from trial.service.passwords import REHEARSAL
from trial.service.service import ChatService

SERVICE_FILE = "service.sqlite3"
"""The chat service's own database, in the folder of a demo or a rehearsal."""

HOST = "127.0.0.1"
BOT_NAME = "回覧板"
BOT_FILE = "bot.json"
"""The bot's account with the service: its id, token and secret."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands on it; addresses without a slash at the end."""

    service: ChatService
    house: House
    admin_token: str
    bot_id: str
    bot_url: str


@asynccontextmanager
async def open_stage(
    folder: Path,
    people: Sequence[Person],
    *,
    clock: Clock,
    activity: Activity,
    durability: Durability,
    service_port: int = 0,
    bot_port: int = 0,
    settings: Settings | None = None,
    storage: Storage | None = None,
) -> AsyncIterator[Stage]:
    """The running stage; port 0 leaves the choice to the system, `storage` keeps the bot's part elsewhere."""
    async with open_service(
        folder, people, clock=clock, activity=activity, durability=durability, port=service_port
    ) as standing:
        kept = storage or Storage(folder=folder, durability=durability)
        chosen = settings_on(folder, standing.service.url, settings, storage=kept, port=bot_port)
        async with open_house(chosen, clock=clock, activity=activity) as house:
            await admit_to_house(house, people)
            await house.link_people()
            async with serving(house.bot.web_server(), HOST, bot_port) as port:
                bot_url = f"http://{HOST}:{port}"
                await standing.call_back(f"{bot_url}/webhooks/logochat")
                yield Stage(standing.service, house, standing.admin_token, standing.bot_id, bot_url)


@dataclass(frozen=True, slots=True)
class Standing:
    """A chat service with everybody's accounts and the bot's."""

    service: ChatService
    admin_token: str
    bot_id: str
    admin: aiohttp.ClientSession

    async def call_back(self, url: str) -> None:
        """From now on the bot is told there what happens."""
        await self.admin.put(f"/v1/admin/bots/{self.bot_id}", json={"callback_url": url})


@asynccontextmanager
async def open_service(
    folder: Path,
    people: Sequence[Person],
    *,
    clock: Clock,
    activity: Activity,
    durability: Durability,
    port: int = 0,
) -> AsyncIterator[Standing]:
    """The chat service alone; what the bot has to know of it stands in `folder` afterwards."""
    make_private()
    folder.mkdir(parents=True, exist_ok=True)
    keep_private(folder)
    admin_token = _keep_secret(folder / "admin.token")
    service = ChatService(
        database=folder / SERVICE_FILE,
        files=folder / "files",
        clock=clock,
        admin_token=admin_token,
        password_cost=REHEARSAL,
        activity=activity,
        # Where time is virtual, a bot that is slow is not a bot that is down.
        callback_time_limit=60 if durability == "process" else 10,
    )
    await service.start(HOST, port)
    try:
        async with aiohttp.ClientSession(
            service.url, headers={"Authorization": f"Bearer {admin_token}"}, raise_for_status=True
        ) as admin:
            await _admit(admin, people)
            account = await _bot_account(admin, folder / BOT_FILE)
            yield Standing(service, admin_token, account["bot_id"], admin)
    finally:
        await service.stop()


def settings_on(folder: Path, service_url: str, settings: Settings | None, *, storage: Storage, port: int) -> Settings:
    """The settings of a bot that speaks to the service that `open_service` opened in `folder`."""
    account: dict[str, str] = orjson.loads((folder / BOT_FILE).read_bytes())
    return (settings or Settings()).model_copy(
        update={
            "server": Server(host=HOST, port=port),
            "storage": storage,
            "logochat": LogoChatTable(
                base_url=service_url, token=SecretStr(account["token"]), secret=SecretStr(account["secret"])
            ),
        }
    )


async def admit_to_house(house: House, people: Sequence[Person]) -> None:
    """Make the staff known to the bot. Who is known stays as they are: a roster may have been imported since."""
    async with house.database.transaction() as db:
        known = set(await db.scalars(select(members.c.code)))
        await directory.save(db, [each for each in entries(people) if each.code not in known])


async def _admit(admin: aiohttp.ClientSession, people: Sequence[Person]) -> None:
    """Make everybody's account, or find that it is there."""
    for start in range(0, len(people), 1_000):
        users = [
            {
                "login": person.login,
                "name": person.name,
                "department": person.department,
                "password": person.password,
                "can_broadcast": HEADQUARTERS in person.roles,
            }
            for person in people[start : start + 1_000]
        ]
        await admin.post("/v1/admin/users", json={"users": users})


async def _bot_account(admin: aiohttp.ClientSession, file: Path) -> dict[str, str]:
    """The bot's id, token and secret: kept from the last time, or made now."""
    if not file.exists():
        answer = await admin.post(
            "/v1/admin/bots", json={"name": BOT_NAME, "callback_url": f"http://{HOST}:1/webhooks/logochat"}
        )
        _write_secret(file, await answer.read())
    account: dict[str, str] = orjson.loads(file.read_bytes())
    return account


def _keep_secret(file: Path) -> str:
    if not file.exists():
        _write_secret(file, secrets.token_urlsafe(32).encode())
    return file.read_text(encoding="ascii")


def _write_secret(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = file.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
