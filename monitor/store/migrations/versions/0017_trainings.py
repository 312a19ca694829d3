"""Trainings that were asked for and what became of them; who changed the life of a model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("model_changes", sa.Column("by", sa.Text(), nullable=False, server_default=sa.text("'monitor'")))
    op.create_table(
        "trainings",
        sa.Column("id", serial, nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=True),
        sa.Column("alive", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("outcome", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_trainings"),
    )
    op.create_index("ix_trainings_family_id", "trainings", ["family", "id"])


def downgrade() -> None:
    op.drop_table("trainings")
    op.drop_column("model_changes", "by")
