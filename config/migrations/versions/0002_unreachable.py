"""Since when an address is not reached, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.storage import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was put aside before keeps NULL: nobody has noted it.
    op.add_column("addresses", sa.Column("unreachable_since", UtcDateTime(), nullable=True))
    op.add_column("addresses", sa.Column("unreachable_reason", sa.Text(), nullable=True))
