"""The ratio that would open an alert of each stream, which its alert budget raises."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("streams", sa.Column("bar", sa.REAL(), nullable=False, server_default=sa.text("1")))


def downgrade() -> None:
    op.drop_column("streams", "bar")
