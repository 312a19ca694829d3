"""What else is known of the window behind an alert, such as the RR interval of a heartbeat."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evidence", sa.Column("facts", sa.Text()))


def downgrade() -> None:
    op.drop_column("evidence", "facts")
