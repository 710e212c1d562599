"""`python -m config.migrations "What changes"`: write the next version from what the tables have and it has not."""

from __future__ import annotations

import sys

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from config.migrate import SCRIPTS, alembic_config


def main(message: str) -> None:
    """Build a database in memory from the versions so far, compare it with the tables, and write what is missing."""
    number = len(list(ScriptDirectory(str(SCRIPTS)).walk_revisions())) + 1
    with create_engine("sqlite://").connect() as connection:
        config = alembic_config(connection)
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or sys.exit('Say what changes: python -m config.migrations "Add …"'))
