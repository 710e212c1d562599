"""What people write while a question is open, who is in need and who sees to it, and answers to reports of problems."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.storage import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "answer_words",
        sa.Column("id", _ID, nullable=False),
        sa.Column("broadcast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name=op.f("fk_answer_words_broadcast_id_broadcasts")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_answer_words_member_id_members")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer_words")),
        sa.UniqueConstraint("key", name=op.f("uq_answer_words_key")),
    )
    op.create_index("ix_answer_words_of", "answer_words", ["broadcast_id", "member_id"], unique=False)
    op.create_table(
        "help_calls",
        sa.Column("broadcast_id", _ID, autoincrement=False, nullable=False),
        sa.Column("member_id", _ID, autoincrement=False, nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.Column("taken_by", _ID, nullable=True),
        sa.Column("taken_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name=op.f("fk_help_calls_broadcast_id_broadcasts")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_help_calls_member_id_members")),
        sa.ForeignKeyConstraint(["taken_by"], ["members.id"], name=op.f("fk_help_calls_taken_by_members")),
        sa.PrimaryKeyConstraint("broadcast_id", "member_id", name=op.f("pk_help_calls")),
        sqlite_with_rowid=False,
    )
    op.add_column("problem_reports", sa.Column("closed_at", UtcDateTime(), nullable=True))
    op.create_table(
        "problem_answers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("problem_id", _ID, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["problem_id"], ["problem_reports.id"], name=op.f("fk_problem_answers_problem_id_problem_reports")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem_answers")),
    )
    op.create_index(op.f("ix_problem_answers_problem_id"), "problem_answers", ["problem_id"], unique=False)
