"""What no model is to learn from: the times of alerts about what the readings of a stream are."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.records.alerts import Alert

KINDS = frozenset({"anomaly", "out-of-range", "frozen", "no-beat"})  # of others the readings are as good as any
ENDLESS = 2**62  # ns; later than any reading


def unusual_times(alerts: Iterable[Alert]) -> dict[str, list[tuple[int, int]]]:
    """By stream: first and last time (ns) of each of these alerts that says that readings were not as usual.

    An open one goes on. Maintenance and ranges that a person judged belong here, too.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    for alert in alerts:
        if alert.kind in KINDS:
            last = ENDLESS if alert.resolved_at is None else max(alert.resolved_at, alert.last_at)
            found.setdefault(alert.stream, []).append((alert.started_at, last))
    return found
