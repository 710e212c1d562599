"""The framework's tables: staff directory, rooms, outbox, and the keys of handled events.

SQLAlchemy Core, no ORM: work here comes in sets, and a row is a row. Moments are `UtcDateTime`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bot.storage import UtcDateTime, metadata

# SQLite numbers rows by itself only for a column that is exactly INTEGER PRIMARY KEY.
BigId = BigInteger().with_variant(Integer, "sqlite")

# ---------------------------------------------------------------- directory

departments = Table(
    "departments",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("parent_id", ForeignKey("departments.id"), index=True),
    Column("position", Integer, nullable=False, server_default=text("0")),  # order on lists, as the city prints it
)

members = Table(
    "members",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("code", Text, nullable=False, unique=True),  # 職員番号
    Column("name", Text, nullable=False),
    Column("kana", Text, nullable=False, server_default=text("''")),
    Column("department_id", ForeignKey("departments.id"), nullable=False, index=True),
    Column("post", Text, nullable=False, server_default=text("''")),  # 役職: 部長, 課長, 主任 …
    Column("rank", SmallInteger, nullable=False, server_default=text("0")),  # 職位: larger is higher; 0 unknown
    Column("email", Text),
    Column("active", Boolean, nullable=False, server_default=text("true")),  # false once they have left
)

member_roles = Table(
    "member_roles",
    metadata,
    Column("member_id", ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, primary_key=True),  # headquarters, administrator, …
    Column("department_id", BigInteger),  # the role holds only in this subtree; NULL everywhere
)

groups = Table(
    "groups",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", Text, nullable=False, unique=True),  # 災害連絡用, 消防団 …
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("member_id", ForeignKey("members.id", ondelete="CASCADE"), primary_key=True, index=True),
)

addresses = Table(
    "addresses",
    metadata,
    Column("member_id", ForeignKey("members.id", ondelete="CASCADE"), primary_key=True),
    Column("adapter", Text, primary_key=True),
    Column("address", Text, nullable=False),  # the platform's id of the person
    Column("preference", SmallInteger, nullable=False, server_default=text("0")),  # smaller is tried first
    Column(
        "reachable", Boolean, nullable=False, server_default=text("true")
    ),  # false once they blocked the bot, or it was refused
    Column("unreachable_since", UtcDateTime),
    Column("unreachable_reason", Text),  # a platform's words, or bot.unreachable.LEFT
    Column("moved_at", UtcDateTime),  # when they last came or went there, by the platform's clock
    UniqueConstraint("adapter", "address"),
)

# ------------------------------------------------------------------- outbox

messages = Table(
    "messages",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("body", Text, nullable=False),  # bot.messages.Message as JSON; one row however many it goes to
    Column("created_at", UtcDateTime, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # the idempotency key; never changes
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("adapter", Text, nullable=False),
    Column("kind", Text, nullable=False),  # person, room
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False, server_default=text("'send'")),  # send, delete
    Column("topic", Text),  # what it belongs to: broadcast:12
    Column("reply_token", Text),  # by which a platform takes an answer to what somebody just said
    # On a platform with multicast, the name of the call that it shares with others: they stay together until it is
    # known what became of it. Its own key: it goes alone.
    Column("shared_call", Text),
    Column("priority", SmallInteger, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("due_at", UtcDateTime, nullable=False),  # moved by a retry and by a snooze
    Column("attempts", Integer, nullable=False, server_default=text("0")),  # tries that count; a snooze does not
    # Set while state is sending; past it, the claim is forfeit. Still set afterwards: the platform may have the
    # message, because whoever claimed it is gone, or because a try had no answer.
    Column("claimed_until", UtcDateTime),
    Column("platform_id", Text),  # set when sent; for a delete, the message to take back
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),  # set when sent, dead, replaced or cancelled
    # dead: given up, and nobody has dealt with it; replaced: given up, and queued for another address instead
    CheckConstraint("state IN ('queued', 'sending', 'sent', 'dead', 'replaced', 'cancelled')", name="state"),
    # The claim walks this one: an adapter's queue in the order of sending, without those that are done.
    Index(
        "ix_deliveries_queue",
        "adapter",
        "priority",
        "due_at",
        "id",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index(
        "ix_deliveries_sending",
        "claimed_until",
        sqlite_where=text("state = 'sending'"),
        postgresql_where=text("state = 'sending'"),
    ),
    # Before a delivery is claimed: is an earlier one to the same address still under way?
    Index(
        "ix_deliveries_open",
        "address",
        "id",
        sqlite_where=text("state IN ('queued', 'sending')"),
        postgresql_where=text("state IN ('queued', 'sending')"),
    ),
    Index(
        "ix_deliveries_shared_call",
        "shared_call",
        sqlite_where=text("shared_call IS NOT NULL"),
        postgresql_where=text("shared_call IS NOT NULL"),
    ),
    # What was given up lately and may be sent elsewhere.
    Index(
        "ix_deliveries_dead",
        "adapter",
        "finished_at",
        sqlite_where=text("state = 'dead'"),
        postgresql_where=text("state = 'dead'"),
    ),
    # Before something is sent elsewhere: was it refused there already?
    Index(
        "ix_deliveries_given_up",
        "address",
        "adapter",
        sqlite_where=text("state IN ('dead', 'replaced')"),
        postgresql_where=text("state IN ('dead', 'replaced')"),
    ),
    Index("ix_deliveries_platform_id", "adapter", "platform_id"),
    Index("ix_deliveries_topic", "topic", "state"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("delivery_id", ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    Column("outcome", Text, nullable=False),  # sent, retry, snooze, rejected, gone
    Column("reason", Text, nullable=False, server_default=text("''")),
)

# Where the calls of an adapter stand that all processes share; only where there can be several.
paces = Table(
    "paces",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),  # the next moment that nobody has booked
    Column("settled_at", UtcDateTime, nullable=False),  # until when the calls have run ahead of the sustained pace
)

# ------------------------------------------------------------------ choices

# What stands under the last messages that somebody got in pair talk: typed, it counts as pressed (bot.choices).
offers = Table(
    "offers",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("adapter", Text, nullable=False),
    Column("address", Text, nullable=False),  # of the person
    Column("buttons", Text, nullable=False),  # bot.messages.Button as JSON
    Column("title", Text, nullable=False),  # the message's first line, to tell it from others
    Column("labels_only", Boolean, nullable=False),  # a number may be an answer of its own
    Column("behind", Boolean, nullable=False),  # something else was said since
    Column("pushed", Boolean, nullable=False),  # nobody had asked for it: it is not superseded by an answer
    Column("offered_at", UtcDateTime, nullable=False),  # rows are pruned after half a day
    Index("ix_offers_talk", "adapter", "address"),
)

# One row that is written to find out whether rows can be.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

# ------------------------------------------------------------------- events

handled_events = Table(
    "handled_events",
    metadata,
    Column("adapter", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("handled_at", UtcDateTime, nullable=False, index=True),  # rows are pruned after the longest redelivery
)
