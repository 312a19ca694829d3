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

Index(
    "ix_outbox_pending",
    outbox.c.alert,
    outbox.c.channel,
    outbox.c.id,
    sqlite_where=text("delivered_at IS NULL AND gave_up_at IS NULL"),
    postgresql_where=text("delivered_at IS NULL AND gave_up_at IS NULL"),
)
