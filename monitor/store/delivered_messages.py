"""What receivers know of alerts: the newest message of each that was delivered, and the evidence behind it.

Rows of the outbox are found by their transitions, and these by their alert: both are indexed, however much was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, literal_column, select

from monitor.records.alerts import AlertState, Delivery, Evidence
from monitor.records.batches import LIVE
from monitor.store import schema
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.queries import evidence_of


def open_delivered_messages(url: str) -> SqlDeliveredMessages:
    """Open the store at `url`, with separate connections. Raises StoreError."""
    return SqlDeliveredMessages(open_database(url))


class SqlDeliveredMessages:
    """`DeliveredMessages` over a `Database`. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_alerts(self) -> list[UUID]:
        """The alerts of the live run that are not resolved; see `DeliveredMessages`."""
        a = schema.alerts.c
        with self._database.reading() as connection:
            found = select(a.id).where(a.run == LIVE, a.state != literal_column(f"'{AlertState.RESOLVED}'"))  # by index
            return list(connection.execute(found.order_by(a.opened_at)).scalars())

    def newest(self, channel: str, alerts: Sequence[UUID]) -> list[Delivery]:
        """The newest delivered message of each; see `DeliveredMessages`."""
        o, t = schema.outbox.c, schema.transitions.c
        last = select(func.max(o.id)).join(schema.transitions, t.id == o.transition).where(t.alert.in_(alerts))
        last = last.where(o.channel == channel, o.delivered_at.is_not(None)).group_by(t.alert)
        with self._database.reading() as connection:
            rows = connection.execute(select(schema.outbox).where(o.id.in_(last)).order_by(o.id)).all()
        return [
            Delivery(
                id=row.id, message=row.message or row.transition, transition=row.transition, alert=row.alert,
                channel=row.channel, payload=row.payload, attempts=row.attempts,
            )
            for row in rows
        ]  # fmt: skip

    def evidence(self, alert: UUID) -> Evidence | None:
        """Why an alert opened; see `DeliveredMessages`."""
        with self._database.reading() as connection:
            return evidence_of(connection, alert)

    def close(self) -> None:
        """Give connections back."""
        self._database.close()
