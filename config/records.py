"""What a rehearsal leaves in the bot's database for its evaluation, and the database itself, kept beside the report.

A real installation has the same records from its roster and from the service's statistics.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from bot import usage
from bot.storage import Database
from bot.texts import Texts
from trial.behaviour import Behaviour
from trial.population import Person

KEPT = "trial.sqlite3"
SERVICE_KEPT = "trial-service.sqlite3"
_SECRETS = """
DELETE FROM sessions;
UPDATE people SET password = '';
UPDATE bots SET token = randomblob(16), secret = '';
VACUUM;
"""


async def note_people(
    database: Database, people: Iterable[Person], behaviour: Behaviour, *, at: datetime, seed: int
) -> None:
    """Who the simulated people are, and that they are simulated; the trial begins at `at`."""
    people = list(people)
    texts = Texts("trial.evaluation")
    devices = {True: texts("device.both"), False: texts("device.desk")}
    traits: dict[str, dict[str, str]] = {
        "age": {person.login: person.age for person in people},
        "skill": {person.login: person.skill for person in people},
        "employment": {person.login: person.employment for person in people},
        "device": {person.login: devices[behaviour.has_phone(person)] for person in people},
    }
    async with database.transaction() as db:
        for trait, by_code in traits.items():
            await usage.note_traits(db, trait, by_code)
        await usage.note_snapshot(db, at, usage.REHEARSAL, {"users": len(people), "seed": seed})


async def note_statistics(database: Database, statistics: Mapping[str, Any], *, at: datetime) -> None:
    """What the chat service counted when the trial ended at `at`."""
    counts: dict[str, int] = {key: statistics[key] for key in ("users", "messages", "files")}
    rooms = statistics["rooms"]
    counts |= {"rooms": rooms["count"], "largest_room": rooms["largest"], "pairs": rooms.get("pairs", 0)}
    counts |= {f"active:{month}": people for month, people in statistics["active"].items()}
    async with database.transaction() as db:
        await usage.note_snapshot(db, at, usage.REHEARSAL, counts)


def keep(database: Database, folder: Path) -> Path:
    """A consistent copy of the bot's SQLite database in `folder`, in place of an earlier one, whole or not at all."""
    source = database.engine.url.database
    assert source is not None
    return _copy(source, folder / KEPT)


def keep_service(source: Path, folder: Path) -> Path:
    """The chat service's own database beside the bot's, so that who used what can be checked against it.

    Without what opens anything: passwords, sessions, and the bot's token and key are left out.
    """
    return _copy(str(source), folder / SERVICE_KEPT, without_secrets=True)


def _copy(source: str, target: Path, *, without_secrets: bool = False) -> Path:
    draft = target.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as db:
        db.execute("VACUUM INTO ?", (str(draft),))
    if without_secrets:
        with closing(sqlite3.connect(draft)) as db:
            db.executescript(_SECRETS)
    # What is left of an earlier copy's log would be taken for this one's.
    for leftover in (target.with_name(f"{target.name}-wal"), target.with_name(f"{target.name}-shm")):
        leftover.unlink(missing_ok=True)
    draft.replace(target)
    return target
