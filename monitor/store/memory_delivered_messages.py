"""`DeliveredMessages` over a `MemoryStore`. Shipped with `monitor.testing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from monitor.records.alerts import AlertState, Delivery, Evidence
from monitor.records.batches import LIVE

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


class MemoryDeliveredMessages:
    """The twin; see `DeliveredMessages`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def open_alerts(self) -> list[UUID]:
        """The alerts of the live run that are not resolved."""
        with self._store.lock:
            found = [a for a in self._store.alerts.values() if a.run == LIVE and a.state != AlertState.RESOLVED]
        return [alert.id for alert in sorted(found, key=lambda alert: alert.opened_at)]

    def newest(self, channel: str, alerts: Sequence[UUID]) -> list[Delivery]:
        """The newest delivered message of each."""
        with self._store.lock:
            rows = [row for _, row in sorted(self._store.outbox.items()) if row.delivery.channel == channel]
        found = {row.delivery.alert: row.delivery for row in rows if row.delivered_at is not None}
        return sorted((found[alert] for alert in set(alerts) & found.keys()), key=lambda delivery: delivery.id)

    def evidence(self, alert: UUID) -> Evidence | None:
        """Why an alert opened."""
        with self._store.lock:
            return self._store.evidence.get(alert)

    def close(self) -> None:
        """Nothing to give back."""
