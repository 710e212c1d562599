"""The database's form over time: Alembic, called from the program itself, so that nobody needs an `alembic.ini`.

One line of versions for all rooms' tables stands in `config/migrations/versions/`. A version, once released, never
changes; a test holds the newest one against the tables in the code.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from bot.bilingual import both
from bot.errors import ConfigurationError
from bot.storage import Database

SCRIPTS = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file; `connection` is the one that migrates."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


async def upgrade(database: Database) -> None:
    """Bring the database to the newest form; nothing happens if it is there already.

    Raises ConfigurationError if a newer Kairanban has been at the database: an old program must not write to it.
    """
    async with database.transaction() as connection:
        await connection.run_sync(_upgrade)


async def expect_newest(database: Database) -> None:
    """For a database that may only be looked at: ConfigurationError unless it has the newest form."""
    async with database.snapshot() as connection:
        await connection.run_sync(_expect_newest)


def _expect_newest(connection: Connection) -> None:
    scripts = ScriptDirectory(str(SCRIPTS))
    current = MigrationContext.configure(connection).get_current_revision()
    if current not in {script.revision for script in scripts.walk_revisions()}:
        raise ConfigurationError(both("config", "evaluation.newer", form=current))
    if current != scripts.get_current_head():
        raise ConfigurationError(both("config", "evaluation.older", form=current))


def _upgrade(connection: Connection) -> None:
    known = {script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise ConfigurationError(both("config", "evaluation.newer", form=current))
    command.upgrade(alembic_config(connection), "head")
