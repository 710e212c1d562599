"""The homeserver that tests and rehearsals start: it leaves nothing behind and says what is wrong."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from bot.errors import KairanbanError
from bot.testing.synapse import Synapse
from tests.bot.matrix.conftest import Server
from tests.bot.matrix.support import until

KILLED = """
import os, sys
from pathlib import Path
from bot.testing.synapse import Synapse
synapse = Synapse(Path(sys.argv[1]))
synapse.start()
print(synapse.url, flush=True)
os._exit(9)
"""


async def test_it_ends_with_whoever_started_it(server: Server, tmp_path: Path, session: aiohttp.ClientSession) -> None:
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    url = (await starter.communicate())[0].decode().strip()
    assert url.startswith("http://")

    async def gone() -> bool:
        try:
            async with session.get(f"{url}/health"):
                return False
        except aiohttp.ClientError:
            return True

    await until(gone)


def test_one_that_cannot_start_says_why(server: Server, tmp_path: Path) -> None:
    synapse = Synapse(tmp_path, settings={"server_name": "not a name"})
    with pytest.raises(KairanbanError, match=r"(?s)Synapse has not started.*not a name"):
        synapse.start()
    synapse.stop()


async def test_an_account_is_made_once(server: Server, session: aiohttp.ClientSession) -> None:
    await server.synapse.register(session, "once", "password")
    with pytest.raises(KairanbanError, match="once"):
        await server.synapse.register(session, "once", "password")
