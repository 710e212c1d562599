"""The first form: every table of the house, and the triggers that keep the audit append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.storage import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


SQLITE_TRIGGERS = (
    """CREATE TRIGGER IF NOT EXISTS audit_log_no_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END""",
    """CREATE TRIGGER IF NOT EXISTS audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END""",
    """CREATE TRIGGER IF NOT EXISTS audit_log_no_replace BEFORE INSERT ON audit_log
    WHEN EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'The audit is append-only.'); END""",
)
POSTGRESQL_TRIGGERS = (
    """CREATE OR REPLACE FUNCTION audit_log_forbid() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'The audit is append-only.'; END $$""",
    """CREATE OR REPLACE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_forbid()""",
)


def upgrade() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_subject", "audit_log", ["subject"], unique=False)
    op.create_table(
        "departments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["departments.id"], name=op.f("fk_departments_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departments")),
        sa.UniqueConstraint("code", name=op.f("uq_departments_code")),
    )
    op.create_index(op.f("ix_departments_parent_id"), "departments", ["parent_id"], unique=False)
    op.create_table(
        "early_reads",
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("platform_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("adapter", "platform_id", "address", name=op.f("pk_early_reads")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "groups",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_groups_name")),
    )
    op.create_table(
        "handled_events",
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("handled_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("adapter", "key", name=op.f("pk_handled_events")),
    )
    op.create_index(op.f("ix_handled_events_handled_at"), "handled_events", ["handled_at"], unique=False)
    op.create_table(
        "jma_events",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("memory", sa.Text(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_jma_events")),
    )
    op.create_table(
        "jma_telegrams",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("event", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "action IN ('draft', 'amend', 'withdraw', 'drop', 'ignore', 'unreadable')",
            name=op.f("ck_jma_telegrams_action"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jma_telegrams")),
        sa.UniqueConstraint("digest", name=op.f("uq_jma_telegrams_digest")),
    )
    op.create_index("ix_jma_telegrams_action", "jma_telegrams", ["action", "id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_table(
        "paces",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_paces")),
    )
    op.create_table(
        "rooms",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("audience_key", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("platform_id", sa.Text(), nullable=True),
        sa.Column("changing_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rooms")),
        sa.UniqueConstraint("token", name=op.f("uq_rooms_token")),
    )
    op.create_index("ix_rooms_audience_key", "rooms", ["audience_key", "adapter"], unique=False)
    op.create_index("ix_rooms_platform_id", "rooms", ["adapter", "platform_id"], unique=False)
    op.create_table(
        "roster_imports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("joins", sa.Integer(), nullable=False),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("leaves", sa.Integer(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("touched", sa.Text(), nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_imports")),
    )
    op.create_table(
        "usage_snapshots",
        sa.Column("at", UtcDateTime(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("at", "source", "key", name=op.f("pk_usage_snapshots")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), server_default=sa.text("'send'"), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("reply_token", sa.Text(), nullable=True),
        sa.Column("shared_call", sa.Text(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_until", UtcDateTime(), nullable=True),
        sa.Column("platform_id", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'dead', 'replaced', 'cancelled')", name=op.f("ck_deliveries_state")
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_deliveries_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("key", name=op.f("uq_deliveries_key")),
    )
    op.create_index(
        "ix_deliveries_dead",
        "deliveries",
        ["adapter", "finished_at"],
        unique=False,
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "ix_deliveries_given_up",
        "deliveries",
        ["address", "adapter"],
        unique=False,
        sqlite_where=sa.text("state IN ('dead', 'replaced')"),
        postgresql_where=sa.text("state IN ('dead', 'replaced')"),
    )
    op.create_index(op.f("ix_deliveries_message_id"), "deliveries", ["message_id"], unique=False)
    op.create_index(
        "ix_deliveries_open",
        "deliveries",
        ["address", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'sending')"),
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )
    op.create_index("ix_deliveries_platform_id", "deliveries", ["adapter", "platform_id"], unique=False)
    op.create_index(
        "ix_deliveries_queue",
        "deliveries",
        ["adapter", "priority", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_deliveries_sending",
        "deliveries",
        ["claimed_until"],
        unique=False,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_deliveries_shared_call",
        "deliveries",
        ["shared_call"],
        unique=False,
        sqlite_where=sa.text("shared_call IS NOT NULL"),
        postgresql_where=sa.text("shared_call IS NOT NULL"),
    )
    op.create_index("ix_deliveries_topic", "deliveries", ["topic", "state"], unique=False)
    op.create_table(
        "jma_drafts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=True),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("areas", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("held_until", UtcDateTime(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("announced", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("follows", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('held', 'ready', 'withdrawn', 'released', 'dismissed')", name=op.f("ck_jma_drafts_state")
        ),
        sa.ForeignKeyConstraint(["event"], ["jma_events.key"], name=op.f("fk_jma_drafts_event")),
        sa.ForeignKeyConstraint(["follows"], ["jma_drafts.id"], name=op.f("fk_jma_drafts_follows")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jma_drafts")),
    )
    op.create_index(op.f("ix_jma_drafts_event"), "jma_drafts", ["event"], unique=False)
    op.create_index("ix_jma_drafts_state", "jma_drafts", ["state", "held_until"], unique=False)
    op.create_table(
        "members",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kana", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("department_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("post", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("rank", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name=op.f("fk_members_department_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("code", name=op.f("uq_members_code")),
    )
    op.create_index(op.f("ix_members_department_id"), "members", ["department_id"], unique=False)
    op.create_table(
        "addresses",
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("preference", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reachable", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_addresses_member_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("member_id", "adapter", name=op.f("pk_addresses")),
        sa.UniqueConstraint("adapter", "address", name=op.f("uq_addresses_adapter_address")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_attempts_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_delivery_id"), "attempts", ["delivery_id"], unique=False)
    op.create_table(
        "broadcasts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("audience_key", sa.Text(), nullable=True),
        sa.Column("author_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("reminders", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_reminder_at", UtcDateTime(), nullable=True),
        sa.Column("asks", sa.Text(), nullable=True),
        sa.Column("stage", sa.SmallInteger(), nullable=True),
        sa.Column("choices", sa.Text(), nullable=True),
        sa.Column("attachments", sa.Text(), nullable=True),
        sa.Column("corrections", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("corrected_text", sa.Text(), nullable=True),
        sa.Column("corrected_attachments", sa.Text(), nullable=True),
        sa.CheckConstraint("asks IN ('acknowledge', 'safety', 'muster', 'choice')", name=op.f("ck_broadcasts_asks")),
        sa.CheckConstraint("kind IN ('notice', 'emergency', 'drill')", name=op.f("ck_broadcasts_kind")),
        sa.CheckConstraint("state IN ('draft', 'sent', 'recalled', 'cancelled')", name=op.f("ck_broadcasts_state")),
        sa.ForeignKeyConstraint(["author_id"], ["members.id"], name=op.f("fk_broadcasts_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcasts")),
        sa.UniqueConstraint("token", name=op.f("uq_broadcasts_token")),
    )
    op.create_index(op.f("ix_broadcasts_audience_key"), "broadcasts", ["audience_key"], unique=False)
    op.create_index(
        "ix_broadcasts_next_reminder_at",
        "broadcasts",
        ["next_reminder_at"],
        unique=False,
        sqlite_where=sa.text("next_reminder_at IS NOT NULL"),
        postgresql_where=sa.text("next_reminder_at IS NOT NULL"),
    )
    op.create_table(
        "dialogues",
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_dialogues_member_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_dialogues")),
    )
    op.create_table(
        "waiting_files",
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("attachments", sa.Text(), nullable=False),
        sa.Column("given_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_waiting_files_member_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_waiting_files")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_group_members_member_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "member_id", name=op.f("pk_group_members")),
    )
    op.create_index(op.f("ix_group_members_member_id"), "group_members", ["member_id"], unique=False)
    op.create_table(
        "member_roles",
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("department_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_roles_member_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member_id", "role", name=op.f("pk_member_roles")),
    )
    op.create_table(
        "member_traits",
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("trait", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_traits_member_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member_id", "trait", name=op.f("pk_member_traits")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "problem_reports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_problem_reports_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem_reports")),
    )
    op.create_index(op.f("ix_problem_reports_member_id"), "problem_reports", ["member_id"], unique=False)
    op.create_table(
        "room_places",
        sa.Column("audience_key", sa.Text(), nullable=False),
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("room_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('wanted', 'present', 'absent', 'leaving')", name=op.f("ck_room_places_state")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_room_places_member_id")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_room_places_room_id")),
        sa.PrimaryKeyConstraint("audience_key", "member_id", name=op.f("pk_room_places")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_room_places_room_id"), "room_places", ["room_id"], unique=False)
    op.create_table(
        "survey_schedules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("owner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'done', 'cancelled', 'stopped')", name=op.f("ck_survey_schedules_state")
        ),
        sa.ForeignKeyConstraint(["owner"], ["members.id"], name=op.f("fk_survey_schedules_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_schedules")),
    )
    op.create_index("ix_survey_schedules_next_at", "survey_schedules", ["state", "next_at"], unique=False)
    op.create_table(
        "surveys",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("anonymity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("closes_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("next_reminder_at", UtcDateTime(), nullable=True),
        sa.Column("reminders", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("vault_key", sa.Text(), nullable=True),
        sa.CheckConstraint("anonymity IN ('anonymous', 'confidential', 'named')", name=op.f("ck_surveys_anonymity")),
        sa.CheckConstraint("state IN ('open', 'closed')", name=op.f("ck_surveys_state")),
        sa.ForeignKeyConstraint(["owner"], ["members.id"], name=op.f("fk_surveys_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surveys")),
    )
    op.create_index(op.f("ix_surveys_key"), "surveys", ["key"], unique=False)
    op.create_table(
        "awaited_details",
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name=op.f("fk_awaited_details_broadcast_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_awaited_details_member_id")),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_awaited_details")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "broadcast_answers",
        sa.Column(
            "broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("first_choice", sa.Text(), nullable=False),
        sa.Column("first_detail", sa.Text(), nullable=False),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("first_key", sa.Text(), nullable=False),
        sa.Column("latest_choice", sa.Text(), nullable=False),
        sa.Column("latest_detail", sa.Text(), nullable=False),
        sa.Column("latest_at", UtcDateTime(), nullable=False),
        sa.Column("latest_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name=op.f("fk_broadcast_answers_broadcast_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_broadcast_answers_member_id")),
        sa.PrimaryKeyConstraint("broadcast_id", "member_id", name=op.f("pk_broadcast_answers")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "broadcast_approvals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("requested_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.CheckConstraint("purpose IN ('approval', 'review')", name=op.f("ck_broadcast_approvals_purpose")),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'returned', 'expired', 'withdrawn')",
            name=op.f("ck_broadcast_approvals_state"),
        ),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name=op.f("fk_broadcast_approvals_broadcast_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["members.id"], name=op.f("fk_broadcast_approvals_decided_by")),
        sa.ForeignKeyConstraint(["requested_by"], ["members.id"], name=op.f("fk_broadcast_approvals_requested_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast_approvals")),
    )
    op.create_index("ix_broadcast_approvals_expires_at", "broadcast_approvals", ["state", "expires_at"], unique=False)
    op.create_index(
        "ix_broadcast_approvals_waiting",
        "broadcast_approvals",
        ["broadcast_id", "purpose"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "broadcast_corrections",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("attachments", sa.Text(), nullable=True),
        sa.Column("author_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["members.id"], name=op.f("fk_broadcast_corrections_author_id")),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name=op.f("fk_broadcast_corrections_broadcast_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast_corrections")),
    )
    op.create_index(
        op.f("ix_broadcast_corrections_broadcast_id"), "broadcast_corrections", ["broadcast_id"], unique=False
    )
    op.create_table(
        "broadcast_messages",
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("number", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('notice', 'reminder', 'correction')", name=op.f("ck_broadcast_messages_purpose")
        ),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name=op.f("fk_broadcast_messages_broadcast_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_broadcast_messages_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_broadcast_messages")),
    )
    op.create_index(op.f("ix_broadcast_messages_broadcast_id"), "broadcast_messages", ["broadcast_id"], unique=False)
    op.create_table(
        "broadcast_recipients",
        sa.Column(
            "broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("department_id", sa.BigInteger(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=True),
        sa.Column("room_id", sa.BigInteger(), nullable=True),
        sa.Column("instead_of", sa.BigInteger(), nullable=True),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name=op.f("fk_broadcast_recipients_broadcast_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_broadcast_recipients_member_id")),
        sa.PrimaryKeyConstraint("broadcast_id", "member_id", name=op.f("pk_broadcast_recipients")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "broadcast_rungs",
        sa.Column(
            "broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("climbed_at", UtcDateTime(), nullable=True),
        sa.Column("silent", sa.Integer(), nullable=True),
        sa.Column("reached", sa.Integer(), nullable=True),
        sa.CheckConstraint("way IN ('chat', 'mail', 'liaison')", name=op.f("ck_broadcast_rungs_way")),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name=op.f("fk_broadcast_rungs_broadcast_id")),
        sa.PrimaryKeyConstraint("broadcast_id", "number", name=op.f("pk_broadcast_rungs")),
    )
    op.create_index(
        "ix_broadcast_rungs_due_at",
        "broadcast_rungs",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("climbed_at IS NULL"),
        postgresql_where=sa.text("climbed_at IS NULL"),
    )
    op.create_table(
        "broadcast_schedules",
        sa.Column(
            "broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("fingerprint", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("recipients", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'active', 'done', 'cancelled')", name=op.f("ck_broadcast_schedules_state")
        ),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name=op.f("fk_broadcast_schedules_broadcast_id")),
        sa.PrimaryKeyConstraint("broadcast_id", name=op.f("pk_broadcast_schedules")),
    )
    op.create_index("ix_broadcast_schedules_next_at", "broadcast_schedules", ["state", "next_at"], unique=False)
    op.create_table(
        "correction_reads",
        sa.Column(
            "broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name=op.f("fk_correction_reads_broadcast_id")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_correction_reads_member_id")),
        sa.PrimaryKeyConstraint("broadcast_id", "number", "member_id", name=op.f("pk_correction_reads")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "survey_participants",
        sa.Column("survey_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("awaiting", sa.Text(), nullable=True),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("sheet", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("state IN ('invited', 'started', 'finished')", name=op.f("ck_survey_participants_state")),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_survey_participants_member_id")),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_survey_participants_survey_id")),
        sa.PrimaryKeyConstraint("survey_id", "member_id", name=op.f("pk_survey_participants")),
    )
    op.create_index("ix_survey_participants_member", "survey_participants", ["member_id", "asked_at"], unique=False)
    op.create_table(
        "survey_sheets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_survey_sheets_member_id")),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_survey_sheets_survey_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_sheets")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_survey_sheets_survey_id"), "survey_sheets", ["survey_id"], unique=False)
    triggers = SQLITE_TRIGGERS if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_TRIGGERS
    for trigger in triggers:
        op.execute(trigger)


def downgrade() -> None:
    op.drop_index(op.f("ix_survey_sheets_survey_id"), table_name="survey_sheets")
    op.drop_table("survey_sheets")
    op.drop_index("ix_survey_participants_member", table_name="survey_participants")
    op.drop_table("survey_participants")
    op.drop_table("correction_reads")
    op.drop_index("ix_broadcast_schedules_next_at", table_name="broadcast_schedules")
    op.drop_table("broadcast_schedules")
    op.drop_index(
        "ix_broadcast_rungs_due_at",
        table_name="broadcast_rungs",
        sqlite_where=sa.text("climbed_at IS NULL"),
        postgresql_where=sa.text("climbed_at IS NULL"),
    )
    op.drop_table("broadcast_rungs")
    op.drop_table("broadcast_recipients")
    op.drop_index(op.f("ix_broadcast_messages_broadcast_id"), table_name="broadcast_messages")
    op.drop_table("broadcast_messages")
    op.drop_index(op.f("ix_broadcast_corrections_broadcast_id"), table_name="broadcast_corrections")
    op.drop_table("broadcast_corrections")
    op.drop_index(
        "ix_broadcast_approvals_waiting",
        table_name="broadcast_approvals",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_index("ix_broadcast_approvals_expires_at", table_name="broadcast_approvals")
    op.drop_table("broadcast_approvals")
    op.drop_table("broadcast_answers")
    op.drop_table("awaited_details")
    op.drop_index(op.f("ix_surveys_key"), table_name="surveys")
    op.drop_table("surveys")
    op.drop_index("ix_survey_schedules_next_at", table_name="survey_schedules")
    op.drop_table("survey_schedules")
    op.drop_index(op.f("ix_room_places_room_id"), table_name="room_places")
    op.drop_table("room_places")
    op.drop_index(op.f("ix_problem_reports_member_id"), table_name="problem_reports")
    op.drop_table("problem_reports")
    op.drop_table("member_traits")
    op.drop_table("member_roles")
    op.drop_index(op.f("ix_group_members_member_id"), table_name="group_members")
    op.drop_table("group_members")
    op.drop_table("waiting_files")
    op.drop_table("dialogues")
    op.drop_index(
        "ix_broadcasts_next_reminder_at",
        table_name="broadcasts",
        sqlite_where=sa.text("next_reminder_at IS NOT NULL"),
        postgresql_where=sa.text("next_reminder_at IS NOT NULL"),
    )
    op.drop_index(op.f("ix_broadcasts_audience_key"), table_name="broadcasts")
    op.drop_table("broadcasts")
    op.drop_index(op.f("ix_attempts_delivery_id"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_table("addresses")
    op.drop_index(op.f("ix_members_department_id"), table_name="members")
    op.drop_table("members")
    op.drop_index("ix_jma_drafts_state", table_name="jma_drafts")
    op.drop_index(op.f("ix_jma_drafts_event"), table_name="jma_drafts")
    op.drop_table("jma_drafts")
    op.drop_index("ix_deliveries_topic", table_name="deliveries")
    op.drop_index(
        "ix_deliveries_shared_call",
        table_name="deliveries",
        sqlite_where=sa.text("shared_call IS NOT NULL"),
        postgresql_where=sa.text("shared_call IS NOT NULL"),
    )
    op.drop_index(
        "ix_deliveries_sending",
        table_name="deliveries",
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.drop_index(
        "ix_deliveries_queue",
        table_name="deliveries",
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_index("ix_deliveries_platform_id", table_name="deliveries")
    op.drop_index(
        "ix_deliveries_open",
        table_name="deliveries",
        sqlite_where=sa.text("state IN ('queued', 'sending')"),
        postgresql_where=sa.text("state IN ('queued', 'sending')"),
    )
    op.drop_index(op.f("ix_deliveries_message_id"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_table("usage_snapshots")
    op.drop_table("roster_imports")
    op.drop_index("ix_rooms_platform_id", table_name="rooms")
    op.drop_index("ix_rooms_audience_key", table_name="rooms")
    op.drop_table("rooms")
    op.drop_table("paces")
    op.drop_table("messages")
    op.drop_index("ix_jma_telegrams_action", table_name="jma_telegrams")
    op.drop_table("jma_telegrams")
    op.drop_table("jma_events")
    op.drop_index(op.f("ix_handled_events_handled_at"), table_name="handled_events")
    op.drop_table("handled_events")
    op.drop_table("groups")
    op.drop_table("early_reads")
    op.drop_index(op.f("ix_departments_parent_id"), table_name="departments")
    op.drop_table("departments")
    op.drop_index("ix_audit_log_subject", table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_table("audit_head")
