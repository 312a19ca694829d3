"""Maintenance without a database. Part of `MemoryStore`."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from monitor.alerts.withholding import Withheld, still_muted, to_say
from monitor.ports.maintenance import Entered
from monitor.ports.store import Announce
from monitor.records.maintenance import Maintenance, Muting
from monitor.store.maintenance import counting, in_force, refuse_taken

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


class MemoryMaintenances:
    """The maintenance of a `MemoryStore`; see `Maintenances`. `withheld` is by alert."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.rows: list[Entered] = []
        self.withheld: dict[UUID, Withheld] = {}

    def windows(self) -> list[Maintenance]:
        """All that counts; see `Maintenances`."""
        return counting(self.entered(removed=True))

    def entered(self, *, removed: bool = False) -> list[Entered]:
        """Every row; see `Maintenances`."""
        with self._store.lock:
            return [each for each in self.rows if removed or each.removed_at is None]

    def add(self, some: Sequence[Maintenance]) -> list[Entered]:
        """Enter all of these, or none; see `Maintenances`."""
        with self._store.lock:
            refuse_taken([each.maintenance.name for each in self.rows if each.removed_at is None], some)
            made = [Entered(len(self.rows) + 1 + i, each, time.time_ns()) for i, each in enumerate(some)]
            self.rows += made
            return made

    def remove(self, name: str, by: str, why: str, *, void: bool = False) -> Entered:
        """End one that is in force; see `Maintenances`."""
        with self._store.lock:
            found = in_force([each for each in self.rows if each.removed_at is None], name)
            at = time.time_ns()
            ended = replace(found, removed_at=at, removed_by=by, removed_why=why, void=void)
            self.rows[found.id - 1] = ended
            for alert, of in self.withheld.items():
                if of.reason == f"maintenance {name}":
                    self.withheld[alert] = replace(of, until=min(of.until, at))
            return ended

    def keep(self, changes: Mapping[UUID, Withheld | None]) -> None:
        """Keep what is withheld now of these alerts. The caller holds the store's lock."""
        for alert, now in changes.items():
            if now is None:
                self.withheld.pop(alert, None)
            else:
                self.withheld[alert] = now

    def by_incident(self, alerts: Collection[UUID]) -> set[UUID]:
        """Those that their incident announces, about which a message is due. The caller holds the store's lock."""
        store, now, members = self._store, time.time_ns(), [self._store.members.get(alert) for alert in alerts]
        grouped = [member for member in members if member is not None and member.grouped]
        for of in grouped:
            incident = store.incidents[of.incident]
            due = now if incident.due_at is None else min(now, incident.due_at)
            store.incidents[of.incident] = replace(incident, due_at=due)
        return {member.alert for member in grouped}

    def review(self, run: str) -> None:
        """Have `release` look at everything that is withheld; see `Maintenances`."""
        with self._store.lock:
            ours = {id_: of for id_, of in self.withheld.items() if self._store.alerts[id_].run == run}
            self.withheld.update((id_, replace(of, until=min(of.until, 0))) for id_, of in ours.items())

    def release(self, run: str, now: int, muting: Muting, announce: Announce) -> int:
        """Announce what is no longer withheld; see `Maintenances`."""
        with self._store.lock:
            due = [of for of in self.withheld.values() if of.until <= now and self._store.alerts[of.alert].run == run]
            said = {}
            for of in due:
                alert = self._store.alerts[of.alert]
                again = still_muted(of, alert, muting, now)
                self.keep({of.alert: again})
                if again is None and (change := to_say(of, alert)) is not None:
                    said[of.alert] = change, alert
            grouped = self.by_incident(said)
            rows = [row for id_, row in said.items() if id_ not in grouped]
            evidence = [self._store.evidence[of.alert] for of in due if of.alert in self._store.evidence]
            self._store.announce(sorted(rows, key=lambda row: row[0].at), announce, evidence)
            return len(said)
