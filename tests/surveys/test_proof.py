"""The survey of May 2023 again, in the chat: 225 people answer over HTTP, and the printed tables come out.

Nothing is put into the bot from the side: the administrator opens and closes the survey by command, and everybody
signs in at the chat service, reads what the bot asks there and presses a button or types a number.
"""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import Coroutine, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bot.activity import Activity
from bot.clock import TOKYO, ManualClock
from config.stage import Stage, open_stage
from surveys import counting
from surveys.exports.paper import Paper
from surveys.vault import Vault
from tests.surveys.test_importing import published_answers
from trial.client import Wires
from trial.population import ADMINISTRATOR, Person, populate

HERE = Path(__file__).parent
PRINTED: dict[str, Any] = json.loads((HERE / "attitude-survey-2023.json").read_text(encoding="utf-8"))
QUESTIONS = ("Q1", "Q2", "Q3", "Q4", "Q6", "Q7")


def answers() -> list[dict[str, str]]:
    """The data set, by the beginning of the question: `{"Q1": "総務部", "Q2": "", …}`, one for each of the 225."""
    with (HERE / "data" / "attitude-survey-2023.csv").open(encoding="utf-8-sig", newline="") as file:
        return [{title.split()[0]: answer for title, answer in line.items()} for line in csv.DictReader(file)]


def test_the_data_set_is_the_one_that_the_tables_make() -> None:
    assert [dict(sorted((key.split()[0], value) for key, value in line.items())) for line in published_answers()] == [
        dict(sorted(line.items())) for line in answers()
    ]


class Staff:
    """One person at the chat service's staff API."""

    def __init__(self, wires: Wires, person: Person, bot_id: str) -> None:
        self._wires, self._person, self._bot_id = wires, person, bot_id
        self._token = self._room = ""

    async def sign_in(self) -> None:
        credentials = {"login": self._person.login, "password": self._person.password}
        self._token = (await self._wires.call("POST", "/v1/login", body=credentials))["token"]
        pair = await self._wires.call("POST", "/v1/pairs", self._token, {"user_id": self._bot_id})
        self._room = pair["room_id"]

    async def say(self, text: str) -> None:
        await self._wires.call("POST", f"/v1/rooms/{self._room}/messages", self._token, {"text": text})

    async def newest(self) -> dict[str, Any]:
        page = await self._wires.call("GET", f"/v1/rooms/{self._room}/messages?limit=1", self._token)
        message: dict[str, Any] = page["messages"][-1]
        return message

    async def answer(self, reference: str | None, wanted: str) -> None:
        """Give `wanted` as the answer to the message with `reference`, which is the newest: by button or by number."""
        asked = await self.newest()
        assert asked["reference"] == reference, f"{reference} was expected, and there is: {asked['text']}"
        data = next((button["data"] for button in asked["buttons"] if button["label"] == wanted), None)
        if data is None:
            number = re.search(rf"^(\d+)\. {re.escape(wanted)}$", asked["text"], re.MULTILINE)
            assert number, f"{wanted} is not among the answers to: {asked['text']}"
            await self.say(number[1])
        else:
            await self._wires.call("POST", f"/v1/messages/{asked['message_id']}/buttons", self._token, {"data": data})


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return populate(PRINTED["respondents"], seed=2023)


def assert_as_printed(paper: Paper) -> None:
    assert paper.respondents == PRINTED["respondents"]
    assert {table.text: {row.label: row.count for row in table.rows} for table in paper.tables} == PRINTED["simple"]
    blanks = {table.key: table.blank for table in paper.tables}
    assert blanks == {"q1": 0, "q2": 1, "q3": 1, "q4": 0, "q6": 0, "q7": 0}


def assert_crossed_as_printed(paper: Paper) -> None:
    [table] = paper.crosses
    sexes, skills = (dict(axis.values) for axis in table.axes[:-1])
    assert [label for _, label in table.columns.values] == PRINTED["cross"]["column_values"]
    cells: dict[str, dict[str, list[int | None]]] = {}
    for sex, skill in table.rows():
        counts = [table.counts[sex, skill, age] for age, _ in table.columns.values]
        cells.setdefault(sexes[sex], {})[skills[skill]] = counts
    assert cells == PRINTED["cross"]["cells"]


async def test_225_people_answer_in_the_chat_and_the_tables_come_out_as_they_were_printed(
    tmp_path: Path, people: list[Person]
) -> None:
    clock, activity = ManualClock(datetime(2023, 5, 8, 9, 0, tzinfo=TOKYO)), Activity()
    async with (
        open_stage(tmp_path, people, clock=clock, activity=activity, durability="process") as stage,
        Wires(stage.service.url) as wires,
    ):
        staff = [Staff(wires, person, stage.bot_id) for person in people]
        administrator = next(one for one, person in zip(staff, people, strict=True) if ADMINISTRATOR in person.roles)

        async def everybody(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
            # A room's worth at a time, as the bot answers each callback only once it is on disk.
            waiting = list(calls)
            for start in range(0, len(waiting), 25):
                await asyncio.gather(*waiting[start : start + 25])
                await activity.idle()

        await everybody(one.sign_in() for one in staff)
        await administrator.say("/アンケート 開始 attitude-survey-2023 締切 14日")
        await activity.idle()
        await administrator.answer(None, "始める")
        await activity.idle()
        await everybody(one.answer("survey:1", "回答する") for one in staff if one is not administrator)
        await administrator.say("/アンケート")
        await activity.idle()
        for question in QUESTIONS:
            reference = f"survey:1:question:{question.lower()}:choice"
            await everybody(
                one.answer(reference, line[question] or "答えない") for one, line in zip(staff, answers(), strict=True)
            )
        await administrator.say("/アンケート 締切 1")
        await activity.idle()
        assert "回答 225名／対象 225名" in (await administrator.newest())["text"]
        await compare(stage, tmp_path)


async def compare(stage: Stage, folder: Path) -> None:
    async with stage.house.database.snapshot() as db:
        vault = Vault(folder / "survey-keys")
        assert_as_printed(await counting.count(db, vault, 1))
        assert_crossed_as_printed(await counting.count(db, vault, 1, counting.Wish(("Q3", "Q6"), "Q2")))
