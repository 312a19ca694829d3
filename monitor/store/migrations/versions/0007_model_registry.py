"""Models travel by id: small artefacts in SQL, a life for each model, and more than 32,767 of them.

On SQLite a column declared SMALLINT holds any integer already, so `scores` is not copied there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

EARLIER = (
    "INSERT INTO model_changes (model, at, state, reason)"
    " SELECT ref, created, state, 'recorded by an earlier version' FROM models ORDER BY ref"
)


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "model_bodies",
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_model_bodies"),
        sa.ForeignKeyConstraint(["model"], ["models.ref"], name="fk_model_bodies_model", ondelete="CASCADE"),
    )
    op.create_table(
        "model_changes",
        sa.Column("id", serial, nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_model_changes"),
        sa.ForeignKeyConstraint(["model"], ["models.ref"], name="fk_model_changes_model", ondelete="CASCADE"),
    )
    op.create_index("ix_model_changes_model", "model_changes", ["model"])
    op.execute(sa.text(EARLIER))
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("scores", "model", type_=sa.Integer(), existing_type=sa.SmallInteger(), existing_nullable=True)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("scores", "model", type_=sa.SmallInteger(), existing_type=sa.Integer(), existing_nullable=True)
    op.drop_table("model_changes")
    op.drop_table("model_bodies")
