"""When a person acted, by the wall clock, beside the event time of the change. Rows of before have none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("transitions", sa.Column("acted_at", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("transitions", "acted_at")  # a copy of the table would delete what hangs on its rows
