"""What is said about the changes of merged alerts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.ports.store import Announce
from monitor.records.alerts import Alert, Evidence, FactKind, Transition


def announced(
    changes: Sequence[tuple[Transition, Alert]], announce: Announce, evidence: Sequence[Evidence] = ()
) -> Iterator[tuple[Transition, str, str]]:
    """Notifications, each with its transition, channel and payload.

    Only the opening one is rendered with the evidence, so that a payload does not depend on how commits were cut.
    """
    kept = {item.alert: item for item in evidence}
    for transition, alert in changes:
        about = kept.get(alert.id) if transition.cause is FactKind.OPENED else None
        for channel, payload in announce(transition, alert, about):
            yield transition, channel, payload
