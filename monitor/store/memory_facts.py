"""The facts of a commit, merged into a `MemoryStore`. Shipped with `monitor.testing`."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

from monitor.alerts import recorded_lives, suppression
from monitor.alerts.learning import Judged
from monitor.alerts.lifecycle import Terms, ends, merge_facts, say_ends
from monitor.alerts.notifications import TOO_OLD, stale, withhold
from monitor.alerts.withholding import Withholding
from monitor.ports.store import Commit
from monitor.records.alerts import Alert
from monitor.records.recorded_lives import RecordedLife

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


def merge(store: MemoryStore, commit: Commit) -> None:
    """Keep the facts of a commit, and what it repeats of the live run. The caller holds `lock`."""
    known = store.recorded({fact.alert for fact in commit.facts}) if commit.facts else {}
    recorded = commit.recorded
    steps = {} if recorded is None else recorded_lives.due(commit.facts, recorded, commit.rules)
    for command, refused in store.commands.values():
        if refused and command.alert in steps:
            known.setdefault(command.alert, {})[command.id] = -1
    merged = merge_facts(commit.facts, store.alerts, known, _terms(store, commit), steps)
    commit.withheld, commit.muted = Counter(), Counter()
    if commit.max_age is not None:
        oldest = time.time_ns() - commit.max_age
        withhold(merged, oldest, stale(merged, oldest) & store.followed())
        commit.withheld.update(
            after.kind for each in merged for change, after in each.changes if change.withheld == TOO_OLD
        )
    unsaid = set(ends(merged))
    say_ends(merged, unsaid & (store.followed() if recorded is None else _announced_before(store)))
    withholding = Withholding.of(merged, commit.muting)
    withholding.apply(store.maintenance.withheld, store.followed(), commit.muting)
    commit.muted.update(muted.reason for muted in withholding.muted.values())
    store.save(merged, commit.announce, commit.evidence, commit.grouping, withholding)
    for each in merged:
        for answered in each.commands:
            store.keep_command(*answered)


def lives(store: MemoryStore, run: str, family: str) -> list[RecordedLife]:
    """Alerts of a run and family with their transitions. The caller holds `lock`."""
    commands = {command.id: command for command, refused in store.commands.values() if not refused}
    changes = sorted(store.transitions.values(), key=lambda change: change.number)
    return [
        RecordedLife(alert, [(change, commands.get(change.id)) for change in changes if change.alert == alert.id])
        for alert in sorted(store.alerts.values(), key=lambda alert: alert.opened_at)
        if (alert.run, alert.family) == (run, family)
    ]


def judged(store: MemoryStore, run: str, family: str) -> tuple[list[Alert], dict[UUID, Judged]]:
    """The alerts of a run and family in order of their opening, and the newest verdicts. The caller holds `lock`."""
    alerts = sorted(store.alerts.values(), key=lambda alert: alert.opened_at)
    said = [command for command, refused in store.commands.values() if not refused]
    verdicts = {of.alert: Judged(of.verdict, of.start, of.end) for of in said if of.verdict is not None}
    return [alert for alert in alerts if (alert.run, alert.family) == (run, family)], verdicts


def _terms(store: MemoryStore, commit: Commit) -> dict[UUID, Terms]:
    """What holds for the alerts of a commit that are not stored yet."""
    new = {fact.alert: fact for fact in reversed(commit.facts) if fact.alert not in store.alerts}
    if commit.recorded is not None:
        return {id_: recorded_lives.terms(fact, commit.recorded, commit.rules) for id_, fact in new.items()}
    holding = suppression.newest(store.suppressions.get(commit.run, []))
    return {id_: suppression.terms(fact, commit.rules, holding) for id_, fact in new.items()}


def _announced_before(store: MemoryStore) -> set[UUID]:
    return {change.alert for change in store.transitions.values() if not change.withheld}
