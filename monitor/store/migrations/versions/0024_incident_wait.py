"""How long a message about an incident waits for further alerts, whichever process makes it due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("incidents", sa.Column("wait", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("incidents", "wait")
