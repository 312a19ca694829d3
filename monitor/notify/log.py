"""The structured log as a channel: one line per change of an alert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from monitor.config.notifiers import LogNotifier
from monitor.errors import NotifyError
from monitor.records.alerts import AlertState, Delivery

_FIELDS = (
    "alert_id", "run", "family", "stream", "kind", "channel", "cause", "state", "severity", "ratio", "peak_ratio",
    "started_at",
)  # fmt: skip


class Log:
    """Writes what a webhook would post, shortened: a warning while the alert is open, info otherwise."""

    timeout = 1.0

    def __init__(self, _settings: LogNotifier, _environ: Mapping[str, str]) -> None:
        """Nothing is opened before the first message."""

    def send(self, delivery: Delivery) -> None:
        """Write one line. Raises NotifyError when the payload is none of ours."""
        try:
            message: dict[str, Any] = msgspec.json.decode(delivery.payload, type=dict[str, Any])
            data = message["data"]
            fields = {name: data[name] for name in _FIELDS}
            kind, at = message["type"], message["timestamp"]
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise NotifyError(f"log: payload of {delivery.transition} is damaged: {error}", permanent=True) from None
        import structlog  # slow to import, and `check` sends nothing

        log: structlog.typing.FilteringBoundLogger = structlog.get_logger("monitor.pipeline.alerting.anomaly_alerts")
        write = log.warning if fields["state"] == AlertState.OPEN else log.info
        write(kind, transition=str(delivery.transition), at=at, **fields)
