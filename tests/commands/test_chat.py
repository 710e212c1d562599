"""`kairanban chat`: what fails is one sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.activity import Activity
from bot.clock import SystemClock
from bot.errors import KairanbanError
from config.commands import chat
from config.stage import Stage, open_stage
from tests.commands.conftest import Terminal
from trial.population import Person, populate


@pytest.fixture
def people() -> list[Person]:
    return populate(12, seed=1)


@pytest.fixture
async def stage(tmp_path: Path, people: list[Person]) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path, people, clock=SystemClock(), activity=Activity(), durability="process") as stage:
        yield stage


async def test_a_wrong_password_is_a_sentence(stage: Stage, people: list[Person]) -> None:
    with pytest.raises(KairanbanError, match="401"):
        await chat.talk(stage.service.url, people[0].login, "wrong", stage.bot_id)


def test_where_no_service_is_it_says_what_to_start(kairanban: Terminal) -> None:
    said = kairanban("chat", "100001", "--password", "x", "--service", "http://127.0.0.1:9", anywhere=True)
    assert said.code == 2
    assert "kairanban serve --demo" in said.err
    assert "Traceback" not in said.err
