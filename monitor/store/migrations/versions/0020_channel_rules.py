"""Rules of channels: what a filter kept back, digests, copies to fallback channels, and what dispatchers share.

The row of a digest has no transition. SQLite copies the table to allow that, which would delete the attempts with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

PENDING = sa.text("delivered_at IS NULL AND gave_up_at IS NULL")
GIVEN_UP = sa.text("gave_up_at IS NOT NULL")
INDEXES = (
    ("ix_outbox_pending", ["alert", "channel", "id"], PENDING),
    ("ix_outbox_due", ["channel", "next_at", "id"], PENDING),
    ("ix_outbox_waiting", ["created"], PENDING),
    ("ix_outbox_given_up", ["gave_up_at"], GIVEN_UP),
)
JOINED = sa.text("digest IS NOT NULL")
DIVERTED = sa.text("diverted IS NOT NULL")
ADDED = ("severity", "digest", "origin", "diverted", "redriven")


@contextmanager
def _copied() -> Iterator[None]:
    """SQLite: without its partial indexes, and with the attempts kept aside, as they fall with the table's rows."""
    if op.get_bind().dialect.name != "sqlite":
        yield
        return
    op.execute("CREATE TABLE attempts_kept AS SELECT * FROM attempts")
    for name, _, _ in INDEXES:
        op.drop_index(name, "outbox")
    yield
    for name, columns, rows in INDEXES:
        op.create_index(name, "outbox", columns, sqlite_where=rows)
    op.execute("DELETE FROM attempts")
    op.execute('INSERT INTO attempts (id, outbox, "at", error) SELECT id, outbox, "at", error FROM attempts_kept')
    op.execute("DROP TABLE attempts_kept")


def upgrade() -> None:
    with _copied(), op.batch_alter_table("outbox") as outbox:
        outbox.alter_column("transition", existing_type=sa.Uuid(), nullable=True)
        outbox.add_column(sa.Column("severity", sa.Text(), nullable=True))
        for name in ADDED[1:]:
            outbox.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE outbox SET severity = (SELECT severity FROM transitions WHERE transitions.id = outbox.transition)"
        " WHERE delivered_at IS NULL AND gave_up_at IS NULL"
    )
    op.create_index("ix_outbox_digest", "outbox", ["digest"], sqlite_where=JOINED, postgresql_where=JOINED)
    columns = ["alert", "channel", "id"]
    op.create_index("ix_outbox_diverted", "outbox", columns, sqlite_where=DIVERTED, postgresql_where=DIVERTED)
    op.create_table(
        "filtered",
        sa.Column("transition", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transition"], ["transitions.id"], name=op.f("fk_filtered_transition"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("transition", "channel", name=op.f("pk_filtered")),
    )
    op.create_table(
        "channel_states",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("beat_at", sa.BigInteger(), nullable=True),
        sa.Column("sent", sa.Text(), nullable=False, server_default=sa.text("'[]'")),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channel_states")),
    )


def downgrade() -> None:
    op.drop_table("channel_states")
    op.drop_table("filtered")
    op.execute("UPDATE outbox SET next_at = 0 WHERE digest IS NOT NULL AND delivered_at IS NULL AND gave_up_at IS NULL")
    op.execute("DELETE FROM outbox WHERE transition IS NULL")
    op.drop_index("ix_outbox_diverted", "outbox")
    op.drop_index("ix_outbox_digest", "outbox")
    with _copied(), op.batch_alter_table("outbox") as outbox:
        for name in ADDED:
            outbox.drop_column(name)
        outbox.alter_column("transition", existing_type=sa.Uuid(), nullable=False)
