"""One real Synapse for the tests of a process; each test has a bot of its own on it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bot.testing.synapse import Synapse, installed
from tests.bot.matrix.support import Account, Person, person

ACCOUNTS = 80


@dataclass
class Server:
    """The running Synapse, and the bots that it knows and that no test has had yet."""

    synapse: Synapse
    accounts: Iterator[Account]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not installed():
        pytest.skip("Synapse (the package matrix-synapse) is not installed here.")
    folder = tmp_path_factory.mktemp("synapse")
    accounts = [Account.new(f"kairanban{number}") for number in range(ACCOUNTS)]
    files = [account.write(folder) for account in accounts]
    with Synapse.prepared(folder / "home", registrations=files) as synapse:
        yield Server(synapse, iter(accounts))


@pytest.fixture
def synapse(server: Server) -> Synapse:
    return server.synapse


@pytest.fixture
def account(server: Server) -> Account:
    """A bot that nobody has met."""
    return next(server.accounts)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


_NUMBERS = itertools.count(1)


@pytest.fixture
def staff(session: aiohttp.ClientSession, synapse: Synapse) -> Callable[[], Awaitable[Person]]:
    """Makes people whom nobody has met."""

    async def make() -> Person:
        return await person(session, synapse, f"staff{next(_NUMBERS)}")

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the bot keeps its things."""
    return tmp_path / "bot"
