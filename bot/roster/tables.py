"""What was imported: one row an import, with what it changed, so that it can be undone."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from bot.storage import UtcDateTime, metadata
from bot.tables import BigId

roster_imports = Table(
    "roster_imports",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),  # staff number of who imported
    Column("file_name", Text, nullable=False),
    Column("sha256", Text, nullable=False),  # of the file's bytes
    Column("form", Text, nullable=False),  # xlsx, or the encoding of the CSV
    Column("joins", Integer, nullable=False),
    Column("returns", Integer, nullable=False),
    Column("leaves", Integer, nullable=False),
    Column("moves", Integer, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("touched", Text, nullable=False),  # JSON: [member id, image before or null, image after] for each member
    Column("undone_at", UtcDateTime),
    Column("undone_by", Text),
)
