"""The tables of what happens before a notice goes out: who must agree, when it is due, and questions half answered."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text

from bot.storage import UtcDateTime, metadata
from bot.tables import BigId

broadcast_approvals = Table(
    "broadcast_approvals",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False),
    # approval: wanted before it is sent; review: wanted after the duty officer sent it alone
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("requested_by", ForeignKey("members.id"), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),  # a review never does: then it is asked for again
    Column("ask_again_at", UtcDateTime),  # an approval is asked for once more then; NULL: it has been, or never is
    Column("decided_by", ForeignKey("members.id")),
    Column("decided_at", UtcDateTime),
    Column("reason", Text, nullable=False, server_default=text("''")),  # why it was returned
    CheckConstraint("purpose IN ('approval', 'review')", name="purpose"),
    CheckConstraint("state IN ('waiting', 'approved', 'returned', 'expired', 'withdrawn')", name="state"),
    # The index says it: however often it is asked for, one request waits.
    Index(
        "ix_broadcast_approvals_waiting",
        "broadcast_id",
        "purpose",
        unique=True,
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_broadcast_approvals_expires_at", "state", "expires_at"),
)

broadcast_schedules = Table(
    "broadcast_schedules",
    metadata,
    # The draft that is sent, or that every occurrence of a recurring notice is a copy of.
    Column("broadcast_id", ForeignKey("broadcasts.id"), primary_key=True, autoincrement=False),
    Column("rule", Text, nullable=False),  # bot.recurrence.Rule as JSON
    Column("state", Text, nullable=False, server_default=text("'draft'")),  # draft: not confirmed yet
    Column("next_at", UtcDateTime),  # moved by whoever wins the occurrence; NULL: none is left
    Column("fingerprint", Text, nullable=False, server_default=text("''")),  # of the people as last seen by the author
    Column("recipients", Integer, nullable=False, server_default=text("0")),  # how many those were
    CheckConstraint("state IN ('draft', 'active', 'done', 'cancelled')", name="state"),
    Index("ix_broadcast_schedules_next_at", "state", "next_at"),
)

dialogues = Table(
    "dialogues",
    metadata,
    # One question at a time to one person; the answer is their next plain message or the press of a button.
    Column("member_id", ForeignKey("members.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("topic", Text, nullable=False),  # template, return
    Column("state", Text, nullable=False),  # JSON; its shape is the topic's own
    Column("asked_at", UtcDateTime, nullable=False),
)

waiting_files = Table(
    "waiting_files",
    metadata,
    # What somebody has given to the bot for the notice that they make next.
    Column("member_id", ForeignKey("members.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("attachments", Text, nullable=False),  # as in broadcasts.attachments
    Column("given_at", UtcDateTime, nullable=False),
)
