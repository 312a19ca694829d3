"""What people did to streams: retired them, or had their alerts closed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("streams", sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("streams", sa.Column("closed", sa.BigInteger(), nullable=True))
    op.add_column("streams", sa.Column("retired", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for column in ("retired", "closed", "version"):
        op.drop_column("streams", column)
