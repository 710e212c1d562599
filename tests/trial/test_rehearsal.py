from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date, time
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from bot.clock import ManualClock
from bot.serving import listening
from tests.trial.little_bot import StubbornBot
from tests.trial.stage import DEFAULT, Played, play
from trial.agenda import Agenda
from trial.calendar import at
from trial.client import ServiceProblem, Wires
from trial.parameters import load_parameters
from trial.population import populate
from trial.rehearsal import Rehearsal, department_rooms


async def autumn(folder: Path, *, seed: int = 1) -> Played:
    """September and October with a dozen people: a drill, a typhoon, two surveys."""
    return await play(folder, staff=12, start=date(2023, 9, 1), months=2, seed=seed)


async def test_a_dozen_people_live_through_two_months_against_the_real_service(tmp_path: Path) -> None:
    played = await autumn(tmp_path)
    log, bot = played.log, played.bot
    assert not log.problems
    assert log.virtual_days == 61
    assert log.statistics["users"] == 12
    assert log.statistics["active"] == {"2023-09": 12, "2023-10": 12}

    said = Counter(text.split(" ")[0] for _, text in bot.texts)
    assert said["/一斉"] == 9 + 1 + 7  # weeks, drill, typhoon
    assert said["/アンケート"] == 2 * 2  # opened, and its results asked for
    references = log.statistics["references"]
    for number in range(1, 18):
        assert references[f"broadcast:{number}"]["delivered"] == 12
        assert references[f"broadcast:{number}"]["duplicates"] == 0

    readers = Counter(reference for reference, _, _ in bot.reads if reference.startswith("broadcast:"))
    assert len(readers) == 17
    assert all(0 < count <= 12 for count in readers.values())
    assert log.frames == played.rehearsal.frames_received > 300
    assert log.statistics["files"] > 0


async def test_answers_to_a_survey_fit_their_questions(tmp_path: Path) -> None:
    answers = (await autumn(tmp_path)).bot.answers
    assert {answer for _, answer in answers["frequency:choice"]} <= {"毎日", "ときどき", "使わない"}
    assert {answer for _, answer in answers["feeling:scale"]} <= {"1 悪い", "2", "3", "4", "5 良い"}
    assert {answer for _, answer in answers["helped:multiple"]} <= {"1", "2", "1 2", "3"}
    assert all(answer.isdigit() for _, answer in answers["hours:number"])
    assert any(answer == "答えない" for _, answer in answers["words:text"])
    respondents = [user for user, _ in answers["words:text"]]
    assert max(Counter(respondents).values()) <= 2  # once a survey, however often they were invited


async def test_the_same_seed_gives_the_same_trial_and_another_seed_another(tmp_path: Path) -> None:
    first, again = await autumn(tmp_path / "1"), await autumn(tmp_path / "2")
    other = await autumn(tmp_path / "3", seed=2)
    assert sorted(first.bot.reads) == sorted(again.bot.reads)
    assert first.bot.answers.keys() == again.bot.answers.keys()
    assert {name: sorted(rows) for name, rows in first.bot.answers.items()} == {
        name: sorted(rows) for name, rows in again.bot.answers.items()
    }
    assert first.log.statistics == again.log.statistics
    assert (first.log.requests, first.log.frames) == (again.log.requests, again.log.frames)
    assert sorted(first.bot.reads) != sorted(other.bot.reads)


async def test_colleagues_quote_one_another_send_stamps_and_files(tmp_path: Path) -> None:
    parameters = load_parameters(DEFAULT)
    lively = {"per_department_and_day": 1.0, "reply": 0.5, "stamp": 0.5, "most_answers": 5, "file": 1.0}
    talk = parameters.talk.model_copy(update=lively)
    played = await play(
        tmp_path,
        staff=16,
        start=date(2024, 2, 1),
        months=1,
        parameters=parameters.model_copy(update={"talk": talk}),
    )
    assert not played.log.problems
    assert played.log.statistics["files"] > 40
    with closing(sqlite3.connect(tmp_path / "service.db")) as db:
        quoting = "SELECT count(*) FROM messages WHERE quote IS NOT NULL AND "
        assert db.execute(quoting + "stamp IS NOT NULL").fetchone()[0] > 5
        assert db.execute(quoting + "text IS NOT NULL").fetchone()[0] > 5


async def test_a_person_who_is_not_understood_gives_up(tmp_path: Path) -> None:
    played = await play(tmp_path, staff=4, start=date(2024, 2, 1), months=1, bot=StubbornBot())
    answers = played.bot.answers["frequency:choice"]
    attempts = Counter(user for user, answer in answers if not answer.startswith("/"))
    assert attempts
    assert set(attempts.values()) == {2}


async def test_progress_is_told_by_virtual_days_up_to_the_last(tmp_path: Path) -> None:
    progress = (await play(tmp_path, staff=4, start=date(2024, 2, 1), months=1)).progress
    assert progress[-1] == (29, 29)
    assert progress == sorted(set(progress))


async def test_what_the_service_refuses_is_counted_and_stops_nobody(tmp_path: Path) -> None:
    def spoil(rehearsal: Rehearsal) -> None:
        """Nobody has this bot's id, so nobody can write to it."""
        for actor in rehearsal.actors:
            actor.bot_id = "b999"

    played = await play(tmp_path, staff=4, start=date(2024, 2, 1), months=1, before=spoil)
    assert sum(played.log.problems.values()) >= 5
    assert all(problem.startswith("4") for problem in played.log.problems)
    assert not played.bot.texts
    assert played.log.statistics["users"] == 4


def test_a_department_that_is_too_large_for_one_room_gets_several_of_even_size() -> None:
    people = populate(2_000, seed=1)
    rooms = department_rooms(people)
    assert max(len(logins) for _, logins in rooms) < 350
    assert [(title, len(logins)) for title, logins in rooms if title.startswith("健康スポーツ部")] == [
        ("健康スポーツ部 1", 205),
        ("健康スポーツ部 2", 204),
    ]
    assert sorted(login for _, logins in rooms for login in logins) == [person.login for person in people]


async def test_a_trial_of_no_months_is_refused() -> None:
    async def settle() -> None:
        return None

    with pytest.raises(ValueError, match="1 month or more"):
        Rehearsal(
            load_parameters(DEFAULT),
            staff=4,
            start=date(2023, 7, 1),
            months=0,
            seed=1,
            clock=ManualClock(at(date(2023, 7, 1), time())),
            service_url="http://127.0.0.1:1",
            admin_token="x",
            bot_id="b1",
            settle=settle,
        )


async def test_a_refusal_without_a_problem_document_is_told_by_its_beginning() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=502, text="<h1>no</h1>")

    app = web.Application()
    app.router.add_get("/", refuse)
    async with listening(web.AppRunner(app), "127.0.0.1", 0) as port, Wires(f"http://127.0.0.1:{port}/") as wires:
        with pytest.raises(ServiceProblem, match="502 <h1>no"):
            await wires.call("GET", "/")


async def test_the_diary_gives_what_is_due_in_order_and_once() -> None:
    done: list[str] = []

    async def do(word: str) -> None:
        done.append(word)

    agenda = Agenda()
    nine, ten = at(date(2023, 7, 3), time(9)), at(date(2023, 7, 3), time(10))
    agenda.put(ten, partial(do, "c"))
    agenda.put(nine, partial(do, "a"))
    agenda.put(nine, partial(do, "b"))
    assert agenda.next_moment() == nine
    for act in agenda.take(nine):
        await act()
    assert done == ["a", "b"]
    assert agenda.next_moment() == ten
    assert len(agenda.take(ten)) == 1
    assert agenda.next_moment() is None
    assert agenda.take(ten) == []
