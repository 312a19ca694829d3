"""Indexes over the rows of the outbox that wait: by when they are due, and by age; and over those given up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

PENDING = sa.text("delivered_at IS NULL AND gave_up_at IS NULL")
GIVEN_UP = sa.text("gave_up_at IS NOT NULL")


def upgrade() -> None:
    for name, columns, rows in (
        ("ix_outbox_due", ["channel", "next_at", "id"], PENDING),
        ("ix_outbox_waiting", ["created"], PENDING),
        ("ix_outbox_given_up", ["gave_up_at"], GIVEN_UP),
    ):
        op.create_index(name, "outbox", columns, sqlite_where=rows, postgresql_where=rows)


def downgrade() -> None:
    for name in ("ix_outbox_given_up", "ix_outbox_waiting", "ix_outbox_due"):
        op.drop_index(name, "outbox")
