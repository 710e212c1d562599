"""The weather agency's drafts know the notice that was made of them, and whether it went out."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As SQL, because Alembic adds a foreign key to an SQLite table only by making the whole table anew.
    reference = "CONSTRAINT fk_jma_drafts_broadcast_id REFERENCES broadcasts (id)"
    number = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(f"ALTER TABLE jma_drafts ADD COLUMN broadcast_id {number} {reference}")
    op.execute("ALTER TABLE jma_drafts ADD COLUMN sent_at BIGINT")
    op.create_index("ix_jma_drafts_broadcast_id", "jma_drafts", ["broadcast_id"], unique=True)
