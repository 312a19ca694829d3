"""The outbox rows of a transition: one payload for each channel that wants it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from monitor.config.channels import Channel
from monitor.notify.payload import payload
from monitor.ports.store import Announce
from monitor.records.alerts import Alert, Evidence, Transition


def announcement(channels: Mapping[str, Channel], run: str | None = None, link: str = "") -> Announce:
    """Announce each transition to the channels whose filters let it through, and say which ones do not.

    `link` is where people find an alert, with {alert_id} in place of its id; "" = nowhere.

    With `run`, only those of this run's alerts.
    """

    def announce(
        transition: Transition, alert: Alert, evidence: Evidence | None, store: UUID
    ) -> list[tuple[str, str | None]]:
        if run is not None and alert.run != run:
            return []
        wanting = {name for name, channel in channels.items() if channel.wants(alert, transition.severity)}
        text = payload(alert, transition, evidence, store, link) if wanting else None
        return [(name, text if name in wanting else None) for name in channels]

    return announce
