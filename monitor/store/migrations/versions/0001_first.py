"""The first schema. Frozen: later revisions build on it, so it does not follow `tables.py`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PENDING = sa.text("delivered_at IS NULL AND gave_up_at IS NULL")
CHAMPION = sa.text("state = 'champion'")


def upgrade() -> None:
    _streams_and_scores()
    _alerts()
    _outbox()
    _ledgers()


def downgrade() -> None:
    names = ("attempts", "outbox", "evidence", "transitions", "alerts", "history", "scores", "streams")
    for name in (*names, "models", "positions", "dead_letters"):
        op.drop_table(name)


def _streams_and_scores() -> None:
    op.create_table(
        "streams",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer()),
        sa.Column("last_time", sa.BigInteger()),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("accepted", "late", "duplicate", "future", "imputed")
        ),
        sa.Column("state", sa.LargeBinary()),
        sa.Column("updated", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_streams"),
        sa.UniqueConstraint("run", "family", "name", name="uq_streams_run_family_name"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Every commit rewrites states of a few kB: kept in the row, with room beside it for the next version, that
        # costs the server half of what it does with TOAST and new index entries.
        op.execute("ALTER TABLE streams SET (fillfactor = 50, toast_tuple_target = 8160)")
    op.create_table(
        "scores",
        sa.Column("stream_id", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.REAL()),
        sa.Column("limit", sa.REAL()),
        sa.Column("ratio", sa.REAL()),
        sa.Column("imputed", sa.REAL(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("model", sa.SmallInteger()),
        sa.PrimaryKeyConstraint("stream_id", "end_ns", name="pk_scores"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("stream_id", sa.BigInteger(), nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.Column("readings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_history"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="fk_history_stream_id", ondelete="CASCADE"),
    )
    op.create_index("ix_history_stream_id_first_ns", "history", ["stream_id", "first_ns"])
    _models()


def _models() -> None:
    op.create_table(
        "models",
        sa.Column("ref", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ref", name="pk_models"),
        sa.UniqueConstraint("family", "id", name="uq_models_family_id"),
    )
    op.create_index(
        "ix_models_champion", "models", ["family"], unique=True, sqlite_where=CHAMPION, postgresql_where=CHAMPION
    )


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger()),
        sa.Column("peak_ratio", sa.Double()),
        sa.Column("peak_at", sa.BigInteger(), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_run_opened_at", "alerts", ["run", "opened_at"])
    op.create_index("ix_alerts_run_family_stream_opened_at", "alerts", ["run", "family", "stream", "opened_at"])
    op.create_table(
        "transitions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("ratio", sa.Double()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_transitions"),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name="fk_transitions_alert", ondelete="CASCADE"),
        sa.UniqueConstraint("alert", "number", name="uq_transitions_alert_number"),
    )
    op.create_table(
        "evidence",
        sa.Column("alert", sa.Uuid(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("readings", "reconstruction", "contribution")),
        sa.PrimaryKeyConstraint("alert", name="pk_evidence"),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name="fk_evidence_alert", ondelete="CASCADE"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("transition", sa.Uuid(), nullable=False),
        sa.Column("alert", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger()),
        sa.Column("gave_up_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.ForeignKeyConstraint(["transition"], ["transitions.id"], name="fk_outbox_transition", ondelete="CASCADE"),
        sa.UniqueConstraint("transition", "channel", name="uq_outbox_transition_channel"),
    )
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["alert", "channel", "id"],
        sqlite_where=PENDING,
        postgresql_where=PENDING,
    )
    op.create_table(
        "attempts",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("outbox", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.ForeignKeyConstraint(["outbox"], ["outbox.id"], name="fk_attempts_outbox", ondelete="CASCADE"),
    )
    op.create_index("ix_attempts_outbox", "attempts", ["outbox"])


def _ledgers() -> None:
    op.create_table(
        "positions",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("next_offset", sa.BigInteger()),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "topic", "partition", name="pk_positions"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "topic", "partition", "offset", name="pk_dead_letters"),
    )
