"""Approvers who have not decided are asked once more, when half of the time is over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.storage import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("broadcast_approvals", sa.Column("ask_again_at", UtcDateTime(), nullable=True))
    # What waits already is asked for again, too; moments are whole microseconds.
    op.execute(
        "UPDATE broadcast_approvals SET ask_again_at = requested_at + (expires_at - requested_at) / 2"
        " WHERE purpose = 'approval' AND state = 'waiting'"
    )
