"""The outbox rows of a transition: one payload for each channel."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.notify.payload import payload
from monitor.ports.store import Announce
from monitor.records.alerts import Alert, Evidence, Transition


def announcement(channels: Sequence[str], run: str | None = None) -> Announce:
    """Announce each transition to all channels; with `run`, only those of this run's alerts."""

    def announce(transition: Transition, alert: Alert, evidence: Evidence | None) -> list[tuple[str, str]]:
        if not channels or (run is not None and alert.run != run):
            return []
        text = payload(alert, transition, evidence)
        return [(channel, text) for channel in channels]

    return announce
