"""Summaries of scores per stream and ten minutes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollups",
        sa.Column("stream_id", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("windows", sa.BigInteger(), nullable=False),
        sa.Column("judged", sa.BigInteger(), nullable=False),
        sa.Column("anomalies", sa.BigInteger(), nullable=False),
        sa.Column("ratio_sum", sa.Double(), nullable=False),
        sa.Column("ratio_max", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("stream_id", "start_ns", name="pk_rollups"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("rollups")
