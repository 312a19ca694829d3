"""The whole schema: the tables, and the indexes over some of their rows, which are added to them here.

Only what compares or changes the schema needs these: options of a dialect make SQLAlchemy import all of it, which takes
as long as the rest of the schema.
"""

from __future__ import annotations

from sqlalchemy import Index, text

from monitor.store import schema
from monitor.store.schema import alerts, models, outbox, suppressions

metadata = schema.metadata

Index(
    "ix_models_champion",
    models.c.family,
    unique=True,
    sqlite_where=text("state = 'champion'"),
    postgresql_where=text("state = 'champion'"),
)

PENDING = text("delivered_at IS NULL AND gave_up_at IS NULL")
GIVEN_UP = text("gave_up_at IS NOT NULL")
DUE = text("due_at IS NOT NULL")
ACTIVE = text("ended IS NULL")
DIVERTED = text("diverted IS NOT NULL")
OPEN = text("state <> 'resolved'")
JOINED = text("digest IS NOT NULL")

for name, columns, rows in (
    ("ix_outbox_pending", (outbox.c.alert, outbox.c.channel, outbox.c.id), PENDING),
    ("ix_outbox_due", (outbox.c.channel, outbox.c.next_at, outbox.c.id), PENDING),
    ("ix_outbox_waiting", (outbox.c.created,), PENDING),
    ("ix_outbox_given_up", (outbox.c.gave_up_at,), GIVEN_UP),
    ("ix_alerts_due", (alerts.c.due_at,), DUE),
    ("ix_suppressions_active", (suppressions.c.run, suppressions.c.family), ACTIVE),
    ("ix_outbox_digest", (outbox.c.digest,), JOINED),
    ("ix_outbox_diverted", (outbox.c.alert, outbox.c.channel, outbox.c.id), DIVERTED),
    ("ix_alerts_open", (alerts.c.run, alerts.c.opened_at), OPEN),
):
    Index(name, *columns, sqlite_where=rows, postgresql_where=rows)
