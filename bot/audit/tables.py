"""The audit's tables, and the triggers that forbid changing what is written."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, Index, SmallInteger, Table, Text, event

from bot.storage import UtcDateTime, metadata

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3 … without a gap
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),  # a staff number, or the part of the program that acted
    Column("action", Text, nullable=False),  # broadcast.sent, roster.imported, broadcast.refused …
    Column("subject", Text, nullable=False),  # what it was done to: broadcast:12
    Column("details", Text, nullable=False),  # canonical JSON; no message texts, no secrets
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_audit_log_subject", "subject"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

_REFUSE = "SELECT RAISE(ABORT, 'The audit is append-only.')"

SQLITE_TRIGGERS = (
    f"CREATE TRIGGER IF NOT EXISTS audit_log_no_update BEFORE UPDATE ON audit_log BEGIN {_REFUSE}; END",
    f"CREATE TRIGGER IF NOT EXISTS audit_log_no_delete BEFORE DELETE ON audit_log BEGIN {_REFUSE}; END",
    # INSERT OR REPLACE deletes without asking the delete trigger.
    """CREATE TRIGGER IF NOT EXISTS audit_log_no_replace BEFORE INSERT ON audit_log
    WHEN EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END""",
)
"""For the migration on SQLite, one statement each."""

POSTGRESQL_TRIGGERS = (
    """CREATE OR REPLACE FUNCTION audit_log_forbid() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'The audit is append-only.'; END $$""",
    """CREATE OR REPLACE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_forbid()""",
)
"""For the migration on PostgreSQL 14 or later, one statement each."""


@event.listens_for(audit_log, "after_create")
def _create_triggers(table: Table, connection: Connection, **_: Any) -> None:
    statements = SQLITE_TRIGGERS if connection.dialect.name == "sqlite" else POSTGRESQL_TRIGGERS
    for statement in statements:
        connection.exec_driver_sql(statement)
