"""The tables of notices: what was said, to whom, who has read it, and in which rooms it went out.

What grows is `broadcast_recipients`, staff × notices: one narrow row each, with the first read in it. There is no row
for a chat message that somebody saw.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, SmallInteger, Table, Text, text

from bot.storage import UtcDateTime, metadata
from bot.tables import BigId

broadcasts = Table(
    "broadcasts",
    metadata,
    Column("id", BigId, primary_key=True),  # the number that people say: /既読 12
    Column("token", Text, nullable=False, unique=True),  # opens every delivery key, so that no two databases share one
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("audience", Text, nullable=False),  # broadcasts.audience.Audience as JSON
    Column("audience_key", Text, index=True),  # set when the audience is a standing one, which has rooms
    Column("author_id", ForeignKey("members.id"), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'draft'")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),  # set once, by whoever wins the step from draft to sent
    Column("closed_at", UtcDateTime),  # set when recalled or cancelled
    Column("reminders", SmallInteger, nullable=False, server_default=text("0")),  # rounds sent so far
    Column("next_reminder_at", UtcDateTime),  # NULL: no more rounds
    Column("asks", Text),  # what it asks of people; NULL: nothing but to be read
    Column("stage", SmallInteger),  # 参集: 第1〜第3配備
    Column("choices", Text),  # the labels of free choices, as a JSON array
    Column("attachments", Text),  # bot.messages.Attachment as a JSON array; the contents lie on the shelf
    Column("corrections", SmallInteger, nullable=False, server_default=text("0")),  # sent so far
    Column("corrected_text", Text),  # of the last correction: what is sent from then on
    Column("corrected_attachments", Text),  # the same for the files, [] for none; NULL: no correction changed them
    CheckConstraint("kind IN ('notice', 'emergency', 'drill')", name="kind"),
    CheckConstraint("state IN ('draft', 'sent', 'recalled', 'cancelled')", name="state"),
    CheckConstraint("asks IN ('acknowledge', 'safety', 'muster', 'choice')", name="asks"),
    Index(
        "ix_broadcasts_next_reminder_at",
        "next_reminder_at",
        sqlite_where=text("next_reminder_at IS NOT NULL"),
        postgresql_where=text("next_reminder_at IS NOT NULL"),
    ),
)

broadcast_messages = Table(
    "broadcast_messages",
    metadata,
    Column("message_id", ForeignKey("messages.id"), primary_key=True),
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False, index=True),
    Column("purpose", Text, nullable=False),  # notice, reminder, correction: a read of the first two is a read
    Column("number", SmallInteger, nullable=False, server_default=text("0")),  # which correction it is
    CheckConstraint("purpose IN ('notice', 'reminder', 'correction')", name="purpose"),
)

broadcast_recipients = Table(
    "broadcast_recipients",
    metadata,
    Column("broadcast_id", ForeignKey("broadcasts.id"), primary_key=True, autoincrement=False),
    Column("member_id", ForeignKey("members.id"), primary_key=True, autoincrement=False),
    Column("department_id", BigInteger, nullable=False),  # as it was when the notice went out
    Column("adapter", Text),  # NULL: nowhere to reach them
    Column("room_id", BigInteger),  # NULL: by pair talk
    Column("instead_of", BigInteger),  # the delivery given up for this address (rerouting); NULL: as it went out
    Column("read_at", UtcDateTime),  # the earliest read
    sqlite_with_rowid=False,
)

broadcast_answers = Table(
    "broadcast_answers",
    metadata,
    # Both answers stay: the latest says how somebody is, the first how quickly they could be reached.
    Column("broadcast_id", ForeignKey("broadcasts.id"), primary_key=True, autoincrement=False),
    Column("member_id", ForeignKey("members.id"), primary_key=True, autoincrement=False),
    Column("first_choice", Text, nullable=False),
    Column("first_detail", Text, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),  # when they answered, by the platform's clock
    Column("first_key", Text, nullable=False),  # the event's key settles what happened at the same moment
    Column("latest_choice", Text, nullable=False),
    Column("latest_detail", Text, nullable=False),
    Column("latest_at", UtcDateTime, nullable=False),
    Column("latest_key", Text, nullable=False),
    sqlite_with_rowid=False,
)

awaited_details = Table(
    "awaited_details",
    metadata,
    # Whose next words in pair talk are a place, a time or a reason, and what they had pressed before.
    Column("member_id", ForeignKey("members.id"), primary_key=True, autoincrement=False),
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False),
    Column("choice", Text, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

answer_words = Table(
    "answer_words",
    metadata,
    # Every text that somebody wrote while a question was open to them, whatever was understood of it.
    Column("id", BigId, primary_key=True),
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False),
    Column("member_id", ForeignKey("members.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("key", Text, nullable=False, unique=True),  # the event's: what is told twice is kept once
    Column("text", Text, nullable=False),
    Index("ix_answer_words_of", "broadcast_id", "member_id"),
)

help_calls = Table(
    "help_calls",
    metadata,
    # Who is in need, as the headquarters was told, and who there has taken it over.
    Column("broadcast_id", ForeignKey("broadcasts.id"), primary_key=True, autoincrement=False),
    Column("member_id", ForeignKey("members.id"), primary_key=True, autoincrement=False),
    Column("choice", Text, nullable=False),  # hurt, rescue; words: no answer, but words that somebody must read; safe
    Column("told_at", UtcDateTime, nullable=False),  # the latest that was told
    Column("taken_by", ForeignKey("members.id")),  # NULL: nobody has said so
    Column("taken_at", UtcDateTime),
    sqlite_with_rowid=False,
)

broadcast_corrections = Table(
    "broadcast_corrections",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False, index=True),
    Column("number", SmallInteger),  # 1 for the first that was sent; NULL: a draft
    Column("text", Text, nullable=False),
    # Its files, as in broadcasts.attachments; NULL: the notice keeps its own; []: from then on it has none
    Column("attachments", Text),
    Column("author_id", ForeignKey("members.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
)

correction_reads = Table(
    "correction_reads",
    metadata,
    Column("broadcast_id", ForeignKey("broadcasts.id"), primary_key=True, autoincrement=False),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("member_id", ForeignKey("members.id"), primary_key=True, autoincrement=False),
    Column("read_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

early_reads = Table(
    "early_reads",
    metadata,
    # A read may be told before the delivery's own platform id is on record: it waits here until the message is known.
    Column("adapter", Text, primary_key=True),
    Column("platform_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("read_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

rooms = Table(
    "rooms",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("audience_key", Text, nullable=False),
    Column("adapter", Text, nullable=False),
    Column("token", Text, nullable=False, unique=True),  # the idempotency key of its making
    Column("title", Text, nullable=False),
    Column("platform_id", Text),  # NULL until the platform has made it
    Column("changing_until", UtcDateTime),  # set while members are brought in or out; no notice uses the room then
    Index("ix_rooms_audience_key", "audience_key", "adapter"),
    Index("ix_rooms_platform_id", "adapter", "platform_id"),
)

room_places = Table(
    "room_places",
    metadata,
    # The key says it: nobody has two rooms of one audience, so nobody can get a notice twice.
    Column("audience_key", Text, primary_key=True),
    Column("member_id", ForeignKey("members.id"), primary_key=True, autoincrement=False),
    Column("room_id", ForeignKey("rooms.id"), nullable=False, index=True),
    Column("address", Text, nullable=False),  # by which the platform knows them, also after they left the city hall
    # wanted: to be brought in; present; absent: left by themselves; leaving: to be taken out
    Column("state", Text, nullable=False),
    CheckConstraint("state IN ('wanted', 'present', 'absent', 'leaving')", name="state"),
    sqlite_with_rowid=False,
)
