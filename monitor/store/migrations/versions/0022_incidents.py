"""Incidents, and which alerts belong to them. Alerts that were there before belong to none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("newest_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("acknowledged", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("said_at", sa.BigInteger()),
        sa.Column("said_state", sa.Text()),
        sa.Column("said_severity", sa.Text()),
        sa.Column("said_members", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_run_group_name_opened_at", "incidents", ["run", "group_name", "opened_at"])
    op.create_index("ix_incidents_due_at", "incidents", ["due_at"])
    op.create_table(
        "incident_members",
        sa.Column("alert", sa.Uuid(), nullable=False),
        sa.Column("incident", sa.Uuid(), nullable=False),
        sa.Column("grouped", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("alert", name="pk_incident_members"),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], ondelete="CASCADE", name="fk_incident_members_alert"),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], ondelete="CASCADE", name="fk_incident_members_incident"
        ),
    )
    op.create_index("ix_incident_members_incident", "incident_members", ["incident"])


def downgrade() -> None:
    op.drop_table("incident_members")
    op.drop_table("incidents")
