"""An anonymous survey: neither the database nor its files hold a way from an answer to a person."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import inspect, select, text

from bot.storage import Database, metadata
from bot.tables import deliveries, messages
from surveys.tables import survey_participants, survey_sheets, surveys
from surveys.vault import KeyLost, Vault, capacity
from tests.databases import KINDS, Kind, empty_database
from tests.surveys.conftest import NAMES, Hall, open_hall, poll

SECRETS = {
    "alice": ("1", "答えない", "1", "アリスの意見です"),
    "bob": ("2", "答えない", "2", "ボブの少し長い意見です。とても長い。"),
    "carol": ("3", "1 2 3", "3", "キャロルの意見です"),
    "dave": ("4 受付の呼び出し", "4", "4", "デイブの意見です"),
    "erin": ("1", "答えない", "5", "答えない"),
}


async def answered(hall: Hall) -> int:
    survey = await hall.open(poll())
    for name, answers in SECRETS.items():
        await hall.answer(name, survey.id, *answers)
        hall.clock.advance(timedelta(minutes=7))
    return survey.id


def words_of(secrets: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [answers[3] for answers in secrets.values() if answers[3] != "答えない"] + ["受付の呼び出し"]


async def everything(database: Database) -> str:
    """Every value of every table, as text."""
    async with database.snapshot() as db:
        tables = await db.run_sync(lambda connection: inspect(connection).get_table_names())
        rows = [(await db.execute(text(f'SELECT * FROM "{table}"'))).all() for table in tables]  # noqa: S608 - own names
    return repr(rows)


async def test_while_open_no_answer_can_be_read_in_the_database(hall: Hall) -> None:
    await answered(hall)
    dump = await everything(hall.database)
    for words in words_of(SECRETS):
        assert words not in dump
    async with hall.database.snapshot() as db:
        assert (await db.execute(select(survey_sheets))).all() == []


async def test_while_open_all_sealed_sheets_have_one_length(hall: Hall) -> None:
    await answered(hall)
    async with hall.database.snapshot() as db:
        sheets = list(await db.scalars(select(survey_participants.c.sheet)))
    assert {len(sheet) for sheet in sheets if sheet is not None} == {capacity(poll()) + 12 + 16}


async def test_no_message_to_a_person_repeats_or_depends_on_their_answers(hall: Hall) -> None:
    """Two people who answer differently, mistakes aside, get the same messages."""
    survey = await hall.open(poll())
    said: dict[str, list[str]] = {}
    for name, answers in SECRETS.items():
        said[name] = [(await hall.start(name, survey.id)).text]
        for answer in answers:
            reply = await hall.say(name, answer)
            assert reply is not None
            said[name].append(reply.text)
            assert not any(answer in line for line in reply.text.splitlines() if len(answer) > 4)
    assert len({tuple(texts) for texts in said.values()}) == 1


async def test_after_closing_sheets_have_no_name_no_time_and_no_order_of_arrival(hall: Hall) -> None:
    survey_id = await answered(hall)
    await hall.close(survey_id)
    assert set(survey_sheets.c.keys()) == {"id", "survey_id", "member_id", "body"}
    async with hall.database.snapshot() as db:
        rows = (await db.execute(select(survey_sheets))).all()
        left = (await db.execute(select(survey_participants))).all()
        outgoing = (await db.execute(select(deliveries.c.topic, messages.c.body).join(messages))).all()
    assert len(rows) == len(SECRETS)
    assert all(row.member_id is None for row in rows)
    assert all((row.sheet, row.awaiting, row.asked_at) == (None, None, None) for row in left)
    assert {row.topic for row in outgoing} == {f"survey:{survey_id}"}


async def test_rows_lie_in_the_order_of_the_lot(hall: Hall) -> None:
    """What a disk shows: physical order on PostgreSQL (ctid), key order on SQLite, where no row number is kept."""
    survey_id = await answered(hall)
    await hall.close(survey_id)
    async with hall.database.snapshot() as db:
        if hall.database.is_sqlite:
            with pytest.raises(Exception, match="no such column: rowid"):
                await db.execute(text("SELECT rowid FROM survey_sheets"))
            stored = list(await db.scalars(text("SELECT id FROM survey_sheets")))
        else:
            stored = list(await db.scalars(text("SELECT id FROM survey_sheets ORDER BY ctid")))
    assert stored == sorted(stored)


async def test_the_lot_is_drawn_anew_each_time(hall: Hall) -> None:
    """The order of the sheets is not that of the people, or only by chance: 120 orders, three times the same never."""
    orders = []
    for _ in range(4):
        survey_id = await answered(hall)
        await hall.close(survey_id)
        async with hall.database.snapshot() as db:
            bodies = await db.scalars(
                select(survey_sheets.c.body).where(survey_sheets.c.survey_id == survey_id).order_by(survey_sheets.c.id)
            )
            orders.append(tuple(bodies))
    assert len(set(orders)) > 1


async def test_a_sheet_does_not_tell_who_went_back(hall: Hall) -> None:
    survey = await hall.open(poll())
    await hall.answer("alice", survey.id, "1", "戻る", "2", "答えない", "3", "答えない")
    await hall.answer("bob", survey.id, "2", "答えない", "3", "答えない")
    await hall.close(survey.id)
    async with hall.database.snapshot() as db:
        bodies = set(await db.scalars(select(survey_sheets.c.body)))
    assert len(bodies) == 1


async def test_unfinished_sheets_are_dropped(hall: Hall) -> None:
    survey_id = await answered(hall)
    await hall.answer("frank", survey_id, "1", "答えない", "4")
    await hall.close(survey_id)
    async with hall.database.snapshot() as db:
        assert len((await db.execute(select(survey_sheets))).all()) == len(SECRETS)
        states = dict((await db.execute(select(survey_participants.c.member_id, survey_participants.c.state))).all())
    assert states[hall.ids["frank"]] == "started"
    assert [states[hall.ids[name]] for name in NAMES[:5]] == ["finished"] * 5


async def test_the_key_is_outside_of_the_database_and_destroyed_at_the_end(hall: Hall, tmp_path: Path) -> None:
    survey_id = await answered(hall)
    [path] = (tmp_path / "keys").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    key = path.read_bytes()
    assert key not in (await everything(hall.database)).encode()
    async with hall.database.snapshot() as db:
        of_alice = select(survey_participants.c.sheet).where(survey_participants.c.member_id == hall.ids["alice"])
        sheet = (await db.execute(of_alice)).scalar_one()
        name = (await db.execute(select(surveys.c.vault_key))).scalar_one()
    assert sheet is not None
    await hall.close(survey_id)
    assert list((tmp_path / "keys").iterdir()) == []
    with pytest.raises(KeyLost, match="put it back"):
        hall.vault.unseal(name, f"survey:{survey_id}:member:{hall.ids['alice']}", sheet)
    await hall.surveys.start()
    await hall.activity.idle()
    async with hall.database.snapshot() as db:
        assert (await db.execute(select(surveys.c.vault_key))).scalar_one() is None


async def test_a_key_that_a_crash_left_behind_is_destroyed_at_the_next_start(
    hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey_id = await answered(hall)
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "destroy", lambda self, name: (_ for _ in ()).throw(OSError("the power is out")))
        with pytest.raises(OSError, match="power"):
            await hall.close(survey_id)
    assert len(list((tmp_path / "keys").iterdir())) == 1
    await hall.surveys.start()
    await hall.activity.idle()
    assert list((tmp_path / "keys").iterdir()) == []


async def test_results_wait_until_the_end(hall: Hall) -> None:
    survey_id = await answered(hall)
    assert (await hall.surveys.results(survey_id)).tables == ()
    assert len((await hall.close(survey_id)).tables) == 4


async def test_a_sealed_sheet_opens_only_in_its_own_place(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    name = vault.create()
    sealed = vault.seal(name, "survey:1:member:1", {"q": 1}, 100)
    assert Vault(tmp_path).unseal(name, "survey:1:member:1", sealed) == {"q": 1}
    with pytest.raises(KeyLost, match="does not fit"):
        vault.unseal(name, "survey:1:member:2", sealed)
    with pytest.raises(ValueError, match="allows 3"):
        vault.seal(name, "survey:1:member:1", {"q": 1}, 3)
    vault.destroy(name)
    vault.destroy(name)


async def test_files_of_an_sqlite_database_hold_no_words_while_it_is_open(hall: Hall) -> None:
    """Not in the file, nor in its log of changes, which remembers more than the tables show."""
    if not hall.database.is_sqlite:
        return
    await answered(hall)
    path = Path(hall.database.engine.url.database or "")
    content = b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))
    assert content
    for words in words_of(SECRETS):
        assert words.encode() not in content
    with sqlite3.connect(path) as check:
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_every_column_of_the_sheets_is_accounted_for() -> None:
    """A column that is added here could be a way back to the person: think, then change this test."""
    assert set(metadata.tables["survey_sheets"].c.keys()) == {"id", "survey_id", "member_id", "body"}


async def rest_and_sheets(database: Database) -> tuple[dict[str, list[str]], list[str]]:
    """Everything in the database but the sheets, row by row as it lies there, and what stands on the sheets."""
    async with database.snapshot() as db:
        tables = await db.run_sync(lambda connection: inspect(connection).get_table_names())
        rest = {
            name: [repr(row) for row in await db.execute(text(f'SELECT * FROM "{name}"'))]  # noqa: S608 - own names
            for name in tables
            if name != "survey_sheets"
        }
        return rest, sorted(await db.scalars(select(survey_sheets.c.body)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
async def test_whoever_gave_which_answers_the_database_is_the_same(kind: Kind, seed: int, tmp_path: Path) -> None:
    """Two worlds in which people swapped their answers: no row, moment, length or order tells them apart."""
    chance = Random(seed)
    swapped = chance.sample(list(SECRETS.values()), len(SECRETS))
    worlds = [list(SECRETS.values()), swapped]
    left: list[tuple[dict[str, list[str]], list[str]]] = []
    for number, answers in enumerate(worlds):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with empty_database(kind, folder) as database, open_hall(database, folder / "keys") as hall:
            survey = await hall.open(poll())
            for name, given in zip(SECRETS, answers, strict=True):
                await hall.answer(name, survey.id, *given)
                hall.clock.advance(timedelta(minutes=7))
            await hall.close(survey.id)
            await hall.surveys.start()  # which forgets the key's name
            await hall.activity.idle()
            await hall.surveys.stop()
            left.append(await rest_and_sheets(database))
    assert worlds[0] != worlds[1]
    assert left[0] == left[1]
    assert len(left[0][1]) == len(SECRETS)
