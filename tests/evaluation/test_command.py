"""`kairanban trial` and `kairanban trial evaluate`, run whole: a small rehearsal, and what its database tells."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from bot.errors import ConfigurationError
from bot.storage import Database
from config import migrate
from config.cli import app
from config.records import KEPT, SERVICE_KEPT

CRITERIA = """
[time_saved]
minutes_a_day = 11
days = 240
yen_an_hour = 4000
staff = 1142

[[criteria]]
name = "全員が使う"
figure = "used_share"
at_least = 0.5
"""


def kairanban(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None:
        raise result.exception
    return result


def rehearse(out: Path, seed: int = 1) -> Result:
    return kairanban("trial", "--staff", 8, "--months", 1, "--start", "2023-09-01", "--seed", seed, "--out", out)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("trial")
    return out, rehearse(out)


def read(folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads((folder / "evaluation.json").read_bytes())
    return fields


def tables(fields: dict[str, Any]) -> dict[str, Any]:
    return {table["key"]: table for chapter in fields["chapters"] for table in chapter["tables"]}


def test_a_rehearsal_ends_with_its_evaluation(rehearsed: tuple[Path, Result]) -> None:
    out, result = rehearsed
    assert "全員が使い始める" in result.output
    assert "evaluation.html" in result.output
    names = {"report.html", "report.json", "evaluation.html", "evaluation.xlsx", "evaluation.json", KEPT}
    assert names <= {file.name for file in out.iterdir()}
    fields = read(out)
    assert (fields["simulated"], fields["seed"], fields["staff"]) == (True, 1, 8)
    assert (fields["starts"], fields["ends"]) == ("2023-09-01", "2023-09-30")
    found = tables(fields)
    assert {"active_department", "active_age", "active_skill", "active_device", "reach_device"} <= set(found)
    drill = next(row for row in found["reach_kinds"]["rows"] if row["kind"] == "訓練")
    assert drill["recipients"] == 8
    usage = {row["what"]: row["number"] for row in found["usage"]["rows"]}
    assert usage["メッセージ"] > 0
    assert found["active_months"]["rows"][0]["service"] == 8
    assert found["survey_rounds"]["rows"][0]["asked"] == 8


def test_the_evaluation_agrees_with_the_rehearsals_own_report(rehearsed: tuple[Path, Result]) -> None:
    out, _ = rehearsed
    report = orjson.loads((out / "report.json").read_bytes())
    notices = tables(read(out))["reach_notices"]["rows"]
    assert len(notices) == len(report["broadcasts"])
    for row, told in zip(notices, report["broadcasts"], strict=True):
        assert row["recipients"] == told["recipients"]
        assert row["within_1h"] == pytest.approx(told["read_within"]["60m"] / told["recipients"], abs=1e-4)
        assert row["read_share"] == pytest.approx(told["read"] / told["recipients"], abs=1e-4)


def test_evaluate_works_from_the_kept_database_alone_and_gives_the_same_bytes(
    rehearsed: tuple[Path, Result], tmp_path: Path
) -> None:
    out, _ = rehearsed
    shutil.copy(out / KEPT, tmp_path / KEPT)
    kairanban("trial", "evaluate", "--folder", tmp_path)
    for kind in ("json", "html", "xlsx"):
        assert (tmp_path / f"evaluation.{kind}").read_bytes() == (out / f"evaluation.{kind}").read_bytes()


def test_the_same_seed_leaves_the_same_evaluation(rehearsed: tuple[Path, Result], tmp_path: Path) -> None:
    out, _ = rehearsed
    rehearse(tmp_path)
    for kind in ("json", "html", "xlsx"):
        assert (tmp_path / f"evaluation.{kind}").read_bytes() == (out / f"evaluation.{kind}").read_bytes()


def test_the_kept_database_has_no_secret_that_opens_anything(rehearsed: tuple[Path, Result]) -> None:
    out, _ = rehearsed
    with closing(sqlite3.connect(out / KEPT)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        named = "SELECT count(*) FROM survey_sheets WHERE member_id IS NOT NULL"
        assert db.execute(named).fetchone() == (0,)


def test_other_criteria_and_another_place_can_be_named(rehearsed: tuple[Path, Result], tmp_path: Path) -> None:
    criteria = tmp_path / "ours.toml"
    criteria.write_text(CRITERIA + "[budget]\naccounts = 480\n", encoding="utf-8")
    place = tmp_path / "papers" / "2023"
    result = kairanban("trial", "evaluate", "--folder", rehearsed[0], "--criteria", criteria, "--out", place)
    assert "全員が使う" in result.output
    assert tables(read(place))["cheaper"]["rows"][0]["cheaper_accounts"] == 501


def make_database(file: Path) -> None:
    """One that a running bot would make, before anything has happened."""

    async def make() -> None:
        database = Database.open(f"sqlite+aiosqlite:///{file}", durability="process")
        await migrate.upgrade(database)
        await database.close()

    asyncio.run(make())


@pytest.fixture
def criteria(tmp_path: Path) -> Path:
    file = tmp_path / "criteria.toml"
    file.write_text(CRITERIA, encoding="utf-8")
    return file


def test_a_real_installation_is_evaluated_from_its_settings(
    tmp_path: Path, criteria: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_database(tmp_path / "kairanban.sqlite3")
    settings = tmp_path / "kairanban.toml"
    settings.write_text(f"[storage]\nfolder = '{tmp_path}'\n", encoding="utf-8")
    criteria.write_text(CRITERIA + "[period]\nstarts = 2023-07-01\nends = 2024-01-01\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    kairanban("trial", "evaluate", "--criteria", criteria, "--out", tmp_path / "out")
    fields = read(tmp_path / "out")
    assert (fields["simulated"], fields["staff"], fields["verdicts"]["unknown"]) == (False, 0, 1)


def test_a_database_in_which_nothing_happened_is_no_trial(tmp_path: Path, criteria: Path) -> None:
    make_database(tmp_path / "kairanban.sqlite3")
    with pytest.raises(ConfigurationError, match="Nothing is on record"):
        kairanban("trial", "evaluate", "--folder", tmp_path, "--criteria", criteria)
    criteria.write_text(CRITERIA + "[period]\nends = 2000-01-01\nstarts = 2001-01-01\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="starts must lie before ends"):
        kairanban("trial", "evaluate", "--folder", tmp_path, "--criteria", criteria)


def test_what_is_missing_is_named_and_nothing_is_made_up(
    tmp_path: Path, criteria: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="There is no database at"):
        kairanban("trial", "evaluate", "--criteria", criteria)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigurationError, match="not both"):
        kairanban("trial", "evaluate", "--folder", tmp_path, "--settings", criteria)
    sqlite3.connect(tmp_path / KEPT).close()
    (tmp_path / KEPT).touch()
    with pytest.raises(ConfigurationError, match="older version"):
        kairanban("trial", "evaluate", "--folder", tmp_path, "--criteria", criteria)


def test_a_place_that_cannot_be_written_to_is_named(rehearsed: tuple[Path, Result], tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        kairanban("trial", "evaluate", "--folder", rehearsed[0], "--out", occupied)


def test_the_chat_services_own_database_is_kept_beside_without_what_opens_anything(
    rehearsed: tuple[Path, Result],
) -> None:
    out, _ = rehearsed
    with closing(sqlite3.connect(out / SERVICE_KEPT)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        [[messages]] = db.execute("SELECT count(*) FROM messages").fetchall()
        assert messages > 0
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
        assert db.execute("SELECT DISTINCT password FROM people").fetchall() == [("",)]
        assert db.execute("SELECT DISTINCT secret FROM bots").fetchall() == [("",)]
