"""Incidents of a `MemoryStore`. Shipped with `monitor.testing`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.alerts.incidents import Grouped, announced, happened, message, message_name, regroup
from monitor.alerts.lifecycle import Merged
from monitor.ports.incidents import AnnounceIncident, News
from monitor.records.alerts import Delivery, Transition, message_id
from monitor.records.incidents import Grouping, Incident

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


def regroup_rows(store: MemoryStore, merged: Sequence[Merged], rule: Grouping) -> None:
    """Bring the incidents of alerts that are about to be kept up to date. The caller holds the store's lock."""
    states = {id_: alert.state for id_, alert in store.alerts.items() if id_ in store.members}
    known = Grouped(dict(store.incidents), dict(store.members), states)
    regroup(merged, known, rule, time.time_ns())
    store.incidents.update((id_, known.incidents[id_]) for id_ in known.changed)
    store.members.update((member.alert, member) for member in known.joined)


class MemoryIncidentMessages:
    """`IncidentMessages` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, announce: AnnounceIncident) -> None:
        self._store, self._announce = store, announce

    def write_due(self, now: int) -> int:
        """Make what is due; see `IncidentMessages`."""
        with self._store.lock:
            due = [each for each in self._store.incidents.values() if each.due_at is not None and each.due_at <= now]
            return sum(map(self._write, sorted(due, key=lambda each: each.due_at or 0), [now] * len(due)))

    def close(self) -> None:
        """Nothing to give back."""

    def _write(self, incident: Incident, now: int) -> int:
        store = self._store
        what, changes = message(incident), self._unused_changes(incident)
        if not what or not changes:
            store.incidents[incident.id] = replace(incident, due_at=None)
            return 0
        after = announced(incident, now)
        alerts = [store.alerts[member.alert] for member in store.members.values() if member.incident == incident.id]
        news = News(what, happened(incident, changes[0].at), incident, alerts, store.identity)
        name = message_id(store.identity, message_name(after))
        for channel, payload in self._announce(news):
            delivery = Delivery(
                id=store.next_id(), message=name, transition=changes[0].id, alert=incident.id, channel=channel,
                payload=payload, attempts=0,
            )  # fmt: skip
            store.put(delivery, incident.severity)
        store.incidents[incident.id] = after
        return 1

    def _unused_changes(self, incident: Incident) -> list[Transition]:
        used = {row.delivery.transition for row in self._store.outbox.values()}
        members = {
            member.alert for member in self._store.members.values() if member == (member.alert, incident.id, True)
        }
        free = [each for each in self._store.transitions.values() if each.alert in members and each.id not in used]
        return sorted(free, key=lambda each: (-each.at, each.id))
