"""Shelved alerts, streams out of service, verdicts, and the timers of alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

DUE = sa.text("due_at IS NOT NULL")
ACTIVE = sa.text("ended IS NULL")
OPEN = sa.text("state <> 'resolved'")
ZERO = sa.text("0")


def upgrade() -> None:
    for column in (
        sa.Column("shelved_until", sa.BigInteger()),
        sa.Column("shelved_by", sa.Text()),
        sa.Column("out_of_service", sa.BigInteger()),
        sa.Column("verdict", sa.Text()),
        sa.Column("flapping_until", sa.BigInteger()),
        sa.Column("escalate_after", sa.BigInteger(), nullable=False, server_default=ZERO),
        sa.Column("escalate_at", sa.BigInteger()),
        sa.Column("repeat_every", sa.BigInteger(), nullable=False, server_default=ZERO),
        sa.Column("repeat_at", sa.BigInteger()),
        sa.Column("due_at", sa.BigInteger()),
    ):
        op.add_column("alerts", column)
    op.create_index("ix_alerts_due", "alerts", ["due_at"], sqlite_where=DUE, postgresql_where=DUE)
    op.create_index("ix_alerts_open", "alerts", ["run", "opened_at"], sqlite_where=OPEN, postgresql_where=OPEN)
    for column in (
        sa.Column("span", sa.BigInteger()),
        sa.Column("verdict", sa.Text()),
        sa.Column("start", sa.BigInteger()),
        sa.Column("end", sa.BigInteger()),
    ):
        op.add_column("commands", column)
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "suppressions",
        sa.Column("id", serial, nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_suppressions"),
    )
    columns = ["run", "family"]
    op.create_index("ix_suppressions_active", "suppressions", columns, sqlite_where=ACTIVE, postgresql_where=ACTIVE)


def downgrade() -> None:
    op.drop_table("suppressions")
    for name in ("end", "start", "verdict", "span"):
        op.drop_column("commands", name)
    op.drop_index("ix_alerts_open", "alerts")
    op.drop_index("ix_alerts_due", "alerts")
    for name in (
        "due_at", "repeat_at", "repeat_every", "escalate_at", "escalate_after", "flapping_until", "verdict",
        "out_of_service", "shelved_by", "shelved_until",
    ):  # fmt: skip
        op.drop_column("alerts", name)
