"""How a person ends an alert whose level is the new normal: every message about an open anomaly says so."""

from __future__ import annotations

from monitor.records.alerts import Alert, AlertState
from monitor.records.scalars import LIVE

ANOMALY = "anomaly"  # the kind of alerts that windows open


def accepting(alert: Alert) -> str:
    """The command that accepts the level of an open anomaly of the live run; "" of every other alert."""
    if alert.kind != ANOMALY or alert.run != LIVE or alert.state is AlertState.RESOLVED:
        return ""
    return f"watchkeeper alerts expect {alert.id.hex[:8]}"
