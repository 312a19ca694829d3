"""The store's identity, ids of webhooks that are made with it, and why a change of an alert was not announced."""

from __future__ import annotations

import time
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    identity = op.create_table(
        "identity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
    )
    op.bulk_insert(identity, [{"id": uuid.uuid4(), "created": time.time_ns()}])
    op.add_column("transitions", sa.Column("withheld", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("message", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("outbox", "message")
    op.drop_column("transitions", "withheld")
    op.drop_table("identity")
