"""`make fault` in small: the bot and its chat service are killed apart, and nothing is lost, doubled or false."""

from __future__ import annotations

import signal
import sqlite3
import sys
from pathlib import Path
from subprocess import run

import pytest

from benchmarks.fault import power_cut, sabotage
from benchmarks.fault.run import Plan, prove
from benchmarks.fault.town import PROGRAM

WRITER = """
import os, signal, sqlite3, sys
from benchmarks.fault import power_cut
assert power_cut.record()
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = FULL")
db.execute("CREATE TABLE rows (number)")
for number in range(50):
    if number == 30:
        db.execute(f"PRAGMA synchronous = {sys.argv[2]}")
    db.execute("INSERT INTO rows VALUES (?)", (number,))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("synchronous", "left"), [("FULL", 50), ("OFF", 30)])
def test_a_power_cut_takes_what_was_not_synced_and_nothing_else(tmp_path: Path, synchronous: str, left: int) -> None:
    file = tmp_path / "rows.sqlite3"
    died = run([sys.executable, "-c", WRITER, str(file), synchronous], cwd=Path(__file__).parents[1], check=False)
    assert died.returncode == -signal.SIGKILL
    power_cut.cut(tmp_path)
    db = sqlite3.connect(file)
    assert db.execute("SELECT count(*) FROM rows").fetchone() == (left,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


async def test_everything_that_officers_do_survives_kills_and_is_counted(tmp_path: Path) -> None:
    result = await prove(tmp_path, Plan(kills=2, staff=12, seed=1, nights=False, births=0))
    assert result.verdict.violations == []
    assert result.killed.total() == 2
    assert all(result.done[name] >= 1 for name in ("notice", "correction", "recall", "schedule", "approval", "survey"))
    assert 0 < result.verdict.answers < result.verdict.reads <= result.verdict.copies


@pytest.mark.parametrize("name", sabotage.names())
def test_every_deliberate_breakage_still_fits_the_program(tmp_path: Path, name: str) -> None:
    program = sabotage.broken(name, tmp_path / "program")
    changed = [
        file
        for room in ("bot", "broadcasts")
        for file in (program / room).rglob("*.py")
        if file.read_bytes() != (PROGRAM / file.relative_to(program)).read_bytes()
    ]
    assert changed
    for file in changed:
        compile(file.read_bytes(), file.name, "exec")
