"""The whole schema: the tables, and the indexes over some of their rows, which are added to them here.

Only what compares or changes the schema needs these: options of a dialect make SQLAlchemy import all of it, which takes
as long as the rest of the schema.
"""

from __future__ import annotations

from sqlalchemy import Index, text

from monitor.store import schema
from monitor.store.schema import models, outbox

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

for name, columns, rows in (
    ("ix_outbox_pending", (outbox.c.alert, outbox.c.channel, outbox.c.id), PENDING),
    ("ix_outbox_due", (outbox.c.channel, outbox.c.next_at, outbox.c.id), PENDING),
    ("ix_outbox_waiting", (outbox.c.created,), PENDING),
    ("ix_outbox_given_up", (outbox.c.gave_up_at,), GIVEN_UP),
):
    Index(name, *columns, sqlite_where=rows, postgresql_where=rows)
