"""What is known of a stream's health: gaps, values out of range, readings kept for training, and its rate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ADDED = ("gaps", "out_of_range", "seen")


def upgrade() -> None:
    for name in ADDED:
        op.add_column("streams", sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("streams", sa.Column("rate", sa.REAL(), nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    for name in (*ADDED, "rate"):
        op.drop_column("streams", name)
