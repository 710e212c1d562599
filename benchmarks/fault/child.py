"""One process of the run: the chat service, the bot, or the second platform.

    python -m benchmarks.fault.child service|bot|line --folder F --staff N --seed S --ports SERVICE BOT LINE

The bot may run from a copy of the program in which something was broken on purpose; the other two never do. A bot that
is asked to notes what it has not synced (`power_cut`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web
from pydantic import SecretStr

from benchmarks.fault import power_cut
from benchmarks.fault.shifted_clock import ShiftedClock
from bot import directory
from bot.activity import Activity
from bot.clock import Clock
from bot.serving import listening, serving
from bot.testing.fakes import FakeLine
from config import logs
from config.house import House, open_house
from config.platforms import LineTable
from config.settings import BroadcastsTable, EscalationTable, FailoverTable, JmaTable, RungTable, Settings, Storage
from config.stage import HOST, admit_to_house, open_service, settings_on
from trial.population import HEADQUARTERS, Person, populate

CLOCK_FILE = "clock.offset"
TELEGRAMS = "telegrams"
BOT_FOLDER = "bot"
LINKED = "linked"
"""Is there once the bot has learned where everybody is."""
ESCALATES_AFTER = timedelta(hours=3)
LINE_SECRET, LINE_TOKEN = "fake-channel-secret", "fake-channel-access-token"


def ways(people: list[Person]) -> tuple[list[Person], list[Person]]:
    """Who is on the second platform: there first and in the chat after it; and the other way round."""
    plain = [person for person in people if not person.roles]
    return plain[0::3], plain[1::3]


def line_id(person: Person) -> str:
    """Somebody's id on the second platform."""
    return FakeLine().person(person.login)


def rules(folder: Path, line_port: int) -> Settings:
    """The settings of the bot in a run, without its service."""
    return Settings(
        broadcasts=BroadcastsTable(
            approval_headquarters=frozenset({"drill"}), reminder_interval=timedelta(hours=1), reminder_times=1
        ),
        failover=FailoverTable(after=timedelta(seconds=20), probe=timedelta(seconds=2)),
        escalation=EscalationTable(notice=(RungTable(way="chat", after=ESCALATES_AFTER),)),
        jma=JmaTable(areas=("静岡市",), folder=folder / TELEGRAMS, hold=timedelta(seconds=1)),
        line=LineTable(
            channel_access_token=SecretStr(LINE_TOKEN),
            channel_secret=SecretStr(LINE_SECRET),
            base_url=f"http://{HOST}:{line_port}",
        ),
    )


async def serve_chat(given: argparse.Namespace, clock: Clock, people: list[Person]) -> None:
    """The chat service, until it is killed."""
    service_port, bot_port, _ = given.ports
    async with open_service(
        given.folder, people, clock=clock, activity=Activity(), durability="full", port=service_port
    ) as standing:
        await standing.call_back(f"http://{HOST}:{bot_port}/webhooks/logochat")
        await asyncio.Event().wait()


async def serve_bot(given: argparse.Namespace, clock: Clock, people: list[Person]) -> None:
    """The bot, until it is killed; it starts whether or not the service answers."""
    service_port, bot_port, line_port = given.ports
    url = f"http://{HOST}:{service_port}"
    storage = Storage(folder=given.folder / BOT_FOLDER, database=given.database)
    settings = settings_on(given.folder, url, rules(given.folder, line_port), storage=storage, port=bot_port)
    (given.folder / TELEGRAMS).mkdir(exist_ok=True)
    async with (
        open_house(settings, clock=clock, activity=Activity()) as house,
        serving(house.bot.web_server(), HOST, bot_port),
    ):
        await admit_to_house(house, people)
        await _introduce(house, people)
        (given.folder / LINKED).touch()
        await asyncio.Event().wait()


async def _introduce(house: House, people: list[Person]) -> None:
    """Who is where; asked until the service has said it."""
    first, second = ways(people)
    async with house.database.transaction() as db:
        await directory.link_addresses(db, "line", {each.login: line_id(each) for each in first})
    while True:
        with contextlib.suppress(Exception):  # the service is down, as it is now and then
            await house.link_people()
            break
        await asyncio.sleep(0.2)
    async with house.database.transaction() as db:
        await directory.link_addresses(db, "line", {each.login: line_id(each) for each in second})
    house.broadcasts.roster_changed()


async def serve_line(given: argparse.Namespace, clock: Clock, people: list[Person]) -> None:
    """The second platform: the fake of LINE, with a door beside it through which it can be looked at."""
    line = FakeLine(clock=clock, port=given.ports[2], channel_secret=LINE_SECRET, channel_access_token=LINE_TOKEN)
    for person in people:
        line.person(person.login)

    async def seen(_: web.Request) -> web.Response:
        return web.json_response(
            {person.login: [each.text for each in line.seen(line.person(person.login))] for person in people}
        )

    async def behave(request: web.Request) -> web.Response:
        wish: dict[str, Any] = await request.json()
        line.behave(wish["behaviour"])
        return web.json_response({})

    door = web.Application()
    door.router.add_get("/seen", seen)
    door.router.add_post("/behave", behave)
    async with line, listening(web.AppRunner(door, access_log=None), HOST, given.door):
        await asyncio.Event().wait()


def headquarters(people: list[Person]) -> list[Person]:
    """The officers."""
    return [person for person in people if HEADQUARTERS in person.roles]


ROLES = {"service": serve_chat, "bot": serve_bot, "line": serve_line}


async def _live(given: argparse.Namespace) -> None:
    clock = ShiftedClock(given.folder / CLOCK_FILE)
    following = asyncio.create_task(clock.follow())
    try:
        await ROLES[given.role](given, clock, populate(given.staff, given.seed))
    finally:
        following.cancel()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("role", choices=sorted(ROLES))
    options.add_argument("--folder", type=Path, required=True)
    options.add_argument("--staff", type=int, required=True)
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--ports", type=int, nargs=3, required=True)
    options.add_argument("--door", type=int, default=0)
    options.add_argument("--database", default="")
    options.add_argument("--note-unsynced", action="store_true")
    given = options.parse_args()
    logs.configure(verbose=False)
    if given.note_unsynced:
        print("unsynced writes are noted:", power_cut.record(), flush=True)
    uvloop.run(_live(given))


if __name__ == "__main__":
    main()
