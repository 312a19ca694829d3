"""Maintenance that people have entered, and alerts of which it withholds something."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    texts = ("name", "families", "streams", "start", "end", "zone", "rrule", "exdates", "rdates")
    op.create_table(
        "maintenance",
        sa.Column("id", serial, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        *(sa.Column(name, sa.SmallInteger(), nullable=False) for name in ("notify", "score", "learn")),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.Column("removed_by", sa.Text(), nullable=True),
        sa.Column("removed_why", sa.Text(), nullable=True),
        sa.Column("void", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_maintenance"),
    )
    op.create_table(
        "withheld",
        sa.Column("alert", sa.Uuid(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("transition", sa.Uuid(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("announced", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name="fk_withheld_alert_alerts", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alert", name="pk_withheld"),
    )
    op.create_index("ix_withheld_run_until", "withheld", ["run", "until"])


def downgrade() -> None:
    op.drop_table("withheld")
    op.drop_table("maintenance")
