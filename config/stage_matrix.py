"""`kairanban trial --platform matrix`: the same trial on a real Synapse, with the bot as its application service.

Synapse goes by the machine's clock and the trial by its own. So the bot stamps what it hears with the trial's clock,
and a moment is over when three have nothing new: the bot, which fetches instead of waiting to be called; its queues;
and the staff, who look into their rooms.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp

from bot import directory
from bot.activity import Activity
from bot.adapters.matrix import Matrix
from bot.adapters.matrix.registration import Registration
from bot.clock import ManualClock
from bot.errors import KairanbanError
from bot.serving import serving
from bot.testing.synapse import HOST, SERVER_NAME, Synapse, free_port
from config.house import open_house
from config.people import entries
from config.rehearsal import SETTLE_LIMIT, Cast, Plan, settings_for
from config.settings import Server, Storage
from trial.matrix import MatrixNetwork
from trial.parameters import Parameters
from trial.population import Person
from trial.rehearsal import Progress, Rehearsal

NEVER = timedelta(days=36_500)
"""The rehearsal says itself when the bot fetches."""


@asynccontextmanager
async def on_matrix(
    folder: Path,
    plan: Plan,
    parameters: Parameters,
    people: Sequence[Person],
    clock: ManualClock,
    activity: Activity,
    progress: Progress,
) -> AsyncIterator[Cast]:
    """A theatre for `config.rehearsal.rehearse`. Raises ConfigurationError where Synapse is not installed."""
    port = free_port()
    registration = Registration(SERVER_NAME, f"http://{HOST}:{port}/webhooks/matrix")
    file = folder / "registration.yaml"
    file.write_text(registration.as_yaml(), encoding="utf-8")
    with Synapse.prepared(folder / "synapse", registrations=[file]) as synapse:
        async with aiohttp.ClientSession() as administrator:

            async def register(login: str, password: str, name: str) -> None:
                await synapse.register(administrator, login, password, name)

            network = MatrixNetwork(synapse.url, SERVER_NAME, registration.user, clock, register)
            adapter = Matrix(
                synapse.url,
                registration.as_token,
                registration.hs_token,
                registration.user,
                clock=clock,
                timeout=timedelta(seconds=60),
                catch_up_every=NEVER,
                stamp_with_clock=True,
            )
            settings = settings_for(parameters).model_copy(
                update={
                    "server": Server(host=HOST, port=port),
                    "storage": Storage(folder=folder, durability="process"),
                }
            )
            async with open_house(settings, clock=clock, activity=activity, adapters=[adapter]) as house:
                async with house.database.transaction() as db:
                    await directory.save(db, entries(people))
                    ids = {person.login: network.user_id(person.login) for person in people}
                    await directory.link_addresses(db, adapter.name, ids)

                async def settle() -> None:
                    await _settle(adapter, network, activity)

                rehearsal = Rehearsal(
                    parameters,
                    staff=plan.staff,
                    start=plan.start,
                    months=plan.months,
                    seed=plan.seed,
                    clock=clock,
                    service_url=synapse.url,
                    admin_token="",
                    bot_id=registration.user,
                    settle=settle,
                    progress=progress,
                    wires=network,
                )
                async with network, serving(house.bot.web_server(), HOST, port):
                    yield Cast(house, rehearsal, settle)


async def _settle(adapter: Matrix, network: MatrixNetwork, activity: Activity) -> None:
    """Return when the bot has heard all, has said all, and everybody has heard it."""
    try:
        async with asyncio.timeout(SETTLE_LIMIT):
            while True:
                caught = await adapter.catch_up()
                await activity.idle()
                news = await network.look()
                if not caught and not news and activity.is_idle:
                    return
    except TimeoutError:
        raise KairanbanError(
            f"The rehearsal on Matrix has not come to rest for {SETTLE_LIMIT:.0f} s; at work: {not activity.is_idle}."
        ) from None
