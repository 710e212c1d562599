"""When somebody last came to a platform or left it, by the platform's clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.storage import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was told before keeps NULL: nobody has noted when.
    op.add_column("addresses", sa.Column("moved_at", UtcDateTime(), nullable=True))
