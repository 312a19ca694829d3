"""Evidence of detectors that reconstruct nothing. SQLite copies the table: it cannot change a column."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("evidence") as evidence:
        evidence.alter_column("reconstruction", existing_type=sa.LargeBinary(), nullable=True)


def downgrade() -> None:
    op.execute("UPDATE evidence SET reconstruction = readings WHERE reconstruction IS NULL")
    with op.batch_alter_table("evidence") as evidence:
        evidence.alter_column("reconstruction", existing_type=sa.LargeBinary(), nullable=False)
