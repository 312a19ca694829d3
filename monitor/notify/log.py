"""The structured log as a channel: one line per change of an alert, digest or heartbeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.config.notifiers import LogNotifier
from monitor.errors import NotifyError
from monitor.notify.message import Message, message_of
from monitor.records.alerts import Delivery
from monitor.records.escapes import dumps

_FIELDS = (
    "alert_id", "run", "family", "stream", "kind", "channel", "cause", "state", "severity", "ratio", "peak_ratio",
    "started_at",
)  # fmt: skip
_OF_OTHERS = {
    "digest": ("digest_id", "reason", "messages", "alerts", "by_kind", "by_severity", "by_state"),
    "heartbeat": ("period_s", "workers", "committed_at"),
    "incident": ("incident_id", "run", "group", "state", "severity", "alerts", "open", "opened_at"),
}  # by the first word of the type, where it is not about one alert


class Log:
    """Writes what a webhook would post, shortened: a warning while alert or incident is open, info otherwise."""

    timeout = 1.0

    def __init__(self, _settings: LogNotifier, _environ: Mapping[str, str]) -> None:
        """Nothing is opened before the first message."""

    def send(self, delivery: Delivery) -> None:
        """Write one line. Raises NotifyError when the payload is none of ours."""
        message, fields = _fields(delivery)
        import structlog  # slow to import, and `check` sends nothing

        log: structlog.typing.FilteringBoundLogger = structlog.get_logger("monitor.pipeline.alerting.anomaly_alerts")
        write = log.warning if message.is_news else log.info
        write(message.type, transition=str(delivery.transition), at=message.timestamp, **fields)

    def preview(self, delivery: Delivery) -> str:
        """The line, as the log would write it in JSON."""
        message, fields = _fields(delivery)
        return dumps({"event": message.type, "at": message.timestamp, **fields})


def _fields(delivery: Delivery) -> tuple[Message, dict[str, Any]]:
    message = message_of(delivery)
    try:
        fields = {name: message.data[name] for name in _OF_OTHERS.get(message.type.partition(".")[0], _FIELDS)}
    except KeyError as error:
        raise NotifyError(f"payload of {delivery.transition} lacks {error}", permanent=True) from None
    return message, fields | ({"fallback_for": message.fallback_for} if message.fallback_for else {})
