"""The rungs of each notice: what is due when, and what came of it."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, SmallInteger, Table, Text, text

from bot.storage import UtcDateTime, metadata

broadcast_rungs = Table(
    "broadcast_rungs",
    metadata,
    Column("broadcast_id", ForeignKey("broadcasts.id"), primary_key=True, autoincrement=False),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),  # 1 is the first
    Column("way", Text, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("climbed_at", UtcDateTime),  # set once, by whoever wins the step; NULL: not yet
    Column("silent", Integer),  # how many had neither read nor answered then
    Column("reached", Integer),  # for how many of them there was a way
    CheckConstraint("way IN ('chat', 'mail', 'liaison')", name="way"),
    Index(
        "ix_broadcast_rungs_due_at",
        "due_at",
        sqlite_where=text("climbed_at IS NULL"),
        postgresql_where=text("climbed_at IS NULL"),
    ),
)
