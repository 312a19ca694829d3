"""Commands of people, what caused a transition, and people's columns of an alert."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_CAUSES = """
UPDATE transitions SET cause = CASE
    WHEN number = 0 THEN 'opened'
    WHEN state = 'resolved' THEN 'cleared'
    WHEN state = 'acknowledged' THEN 'acknowledge'
    WHEN actor = 'monitor' THEN 'worsened'
    ELSE 'note' END
"""
_PEOPLE = (("acknowledged_at", sa.BigInteger()), ("acknowledged_by", sa.Text()), ("note", sa.Text()))


def upgrade() -> None:
    for name, kind in _PEOPLE:
        op.add_column("alerts", sa.Column(name, kind, nullable=True))
    cause = sa.Column("cause", sa.Text(), nullable=False, server_default=sa.text("'note'"))
    op.add_column("transitions", cause)
    op.execute(_CAUSES)
    op.create_table(
        "commands",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("effective", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_commands"),
        sa.UniqueConstraint("id", name="uq_commands_id"),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name="fk_commands_alert", ondelete="CASCADE"),
    )
    op.create_index("ix_commands_alert", "commands", ["alert"])


def downgrade() -> None:
    op.drop_table("commands")
    op.drop_column("transitions", "cause")
    for name, _ in _PEOPLE:
        op.drop_column("alerts", name)
