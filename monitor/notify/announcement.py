"""The outbox rows of a transition: one payload for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from monitor.notify.payload import payload
from monitor.ports.store import Announce
from monitor.records.alerts import Alert, Evidence, Transition


def announcement(channels: Sequence[str], run: str | None = None) -> Announce:
    """Announce each transition to all channels; with `run`, only those of this run's alerts."""

    def announce(transition: Transition, alert: Alert, evidence: Evidence | None, store: UUID) -> list[tuple[str, str]]:
        if not channels or (run is not None and alert.run != run):
            return []
        text = payload(alert, transition, evidence, store)
        return [(channel, text) for channel in channels]

    return announce
