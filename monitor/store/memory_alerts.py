"""People's commands of a `MemoryStore`. Shipped with `monitor.testing`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.alerts import suppression
from monitor.alerts.lifecycle import Answered, merge
from monitor.alerts.timers import Clock, due_at
from monitor.alerts.withholding import Withholding
from monitor.errors import SettingsError
from monitor.ports.alert_commands import Answer
from monitor.ports.maintenance import ByEntered, nothing_muted
from monitor.ports.store import Announce, silent
from monitor.records.alerts import Alert, Command, CommandKind
from monitor.records.scalars import LIVE
from monitor.store.maintenance import counting

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


class MemoryAlertCommands:
    """`AlertCommands` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, announce: Announce = silent) -> None:
        self._store, self._announce = store, announce

    def give(self, command: Command) -> Answer:
        """Merge a command with the stored alert; see `AlertCommands`."""
        store = self._store
        with store.lock:
            alert = store.alerts.get(command.alert)
            if alert is None:
                raise SettingsError(f"there is no alert {command.alert}")
            for earlier, refused in store.commands.values():
                if earlier.id == command.id:
                    return Answer(alert, refused)
            stream = store.streams.get((alert.run, alert.family, alert.stream), 0)
            if command.kind is CommandKind.EXPECT and command.effective is None and stream in store.states:
                command = replace(command, effective=store.states[stream].last_time)
            merged = merge(alert, commands=[command], recorded=store.recorded({alert.id}).get(alert.id))
            if merged.changes:
                held = store.maintenance.withheld.get(alert.id)
                withholding = None if held is None else Withholding.of_command(merged, held)
                if withholding is not None:
                    withholding.apply(store.maintenance.withheld, ())
                store.save([merged], self._announce, withholding=withholding)
            (answered,) = merged.commands
            store.keep_command(*answered)
            self._follow(merged.alert, answered)
            if command.kind is CommandKind.EXPECT and not answered.refused:
                store.versions[stream] += 1
            return Answer(merged.alert, answered.refused)

    def _follow(self, alert: Alert, answered: Answered) -> None:
        """What a command means for the next alerts of the kind."""
        holding = self._store.suppressions.setdefault(alert.run, [])
        if suppression.ended(answered):
            ours = (alert.family, alert.stream, alert.kind, alert.channel)
            holding[:] = [each for each in holding if each.key != ours]
        if (new := suppression.begun(alert, answered)) is not None:
            holding.append(new)

    def close(self) -> None:
        """Nothing to give back."""


class MemoryAlertTimers:
    """`AlertTimers` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, announce: Announce = silent, muting: ByEntered = nothing_muted) -> None:
        self._store, self._announce, self._muting = store, announce, muting

    def elapse(self, now: int) -> int:
        """Carry out what is due; see `AlertTimers`. A state is as old as its newest reading."""
        with self._store.lock:
            live = [alert for alert in self._store.alerts.values() if alert.run == LIVE and due_at(alert) is not None]
            known = self._store.recorded({alert.id for alert in live})
            merged = [merge(alert, recorded=known.get(alert.id), clock=Clock(now, now)) for alert in live]
            changed = [each for each in merged if each.alert != self._store.alerts[each.alert.id]]
            maintenance = self._store.maintenance
            holding = Withholding.of(changed, self._muting(counting(maintenance.rows)))
            holding.apply(maintenance.withheld, self._store.followed())
            self._store.save(changed, self._announce, withholding=holding)
            return len(changed)

    def close(self) -> None:
        """Nothing to give back."""
