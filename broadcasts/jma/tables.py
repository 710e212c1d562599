"""Tables of the weather agency's telegrams: what came, what is known of each event, and the drafts."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from bot.storage import UtcDateTime, metadata
from bot.tables import BigId

telegrams = Table(
    "jma_telegrams",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),  # SHA-256 of the bytes as they came
    Column("raw", LargeBinary),  # zlib; NULL if larger than a telegram can be
    Column("source", Text, nullable=False),  # the file's name
    Column("received_at", UtcDateTime, nullable=False),
    Column("event", Text),  # jma_events.key; NULL if unreadable
    Column("kind", Text),  # VXSE51 …
    Column("action", Text, nullable=False),
    Column("decision", Text, nullable=False),  # what `kairanban jma draft --json` prints
    CheckConstraint("action IN ('draft', 'amend', 'withdraw', 'drop', 'ignore', 'unreadable')", name="action"),
    Index("ix_jma_telegrams_action", "action", "id"),
)

events = Table(
    "jma_events",
    metadata,
    Column("key", Text, primary_key=True),  # real and drilled events apart
    Column("memory", Text, nullable=False),  # broadcasts.jma.memory.Memory as JSON
    Column("updated_at", UtcDateTime, nullable=False),
)

drafts = Table(
    "jma_drafts",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("event", ForeignKey("jma_events.key"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("serial", Integer),
    Column("drill", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("areas", Text, nullable=False),  # JSON: code, name, level
    Column("state", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),  # of the first telegram
    Column("held_until", UtcDateTime, nullable=False),  # an amendment does not move it
    Column("revision", Integer, nullable=False, server_default=text("1")),  # grows with every amendment
    Column("announced", Integer, nullable=False, server_default=text("0")),  # the revision that the officer was shown
    Column("follows", ForeignKey("jma_drafts.id")),  # the released draft that this one updates or takes back
    Column("updated_at", UtcDateTime, nullable=False),
    Column("broadcast_id", ForeignKey("broadcasts.id")),  # the notice that an officer made of it
    Column("sent_at", UtcDateTime),  # when that notice went out; NULL: nobody has been told yet
    CheckConstraint("state IN ('held', 'ready', 'withdrawn', 'released', 'dismissed')", name="state"),
    Index("ix_jma_drafts_state", "state", "held_until"),
    Index("ix_jma_drafts_broadcast_id", "broadcast_id", unique=True),
)
