"""Dead letters know their stream, their time and whether they were sent again; partitions what could not be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEX = "ix_dead_letters_run_topic_reason_stream"


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("stream", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("dead_letters", sa.Column("time", sa.BigInteger(), nullable=True))
    op.add_column("dead_letters", sa.Column("retried", sa.BigInteger(), nullable=True))
    op.create_index(_INDEX, "dead_letters", ["run", "topic", "reason", "stream"])
    op.add_column("positions", sa.Column("unreadable", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("positions", "unreadable")
    op.drop_index(_INDEX, "dead_letters")
    for name in ("retried", "time", "stream"):
        op.drop_column("dead_letters", name)
