"""Prometheus Alertmanager, API v2 (`POST /api/v2/alerts`): each alert is one of its alerts, by these labels.

Alertmanager keeps nothing for good: an alert ends at `endsAt` unless it is posted again before. So those that are open
are posted again, from SQL, several times in that span; see `monitor.notify.keep_alive`. Labels are the identity there:
when an alert becomes critical, the one with the label `warning` is ended in the same post.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from monitor.config.notifiers import AlertmanagerNotifier
from monitor.notify.hosts import Resolver, resolve
from monitor.notify.message import Message, message_of
from monitor.notify.posting import Poster
from monitor.records.alerts import AlertState, Delivery, Severity
from monitor.records.escapes import dumps
from monitor.records.times import iso

_PATH = "/api/v2/alerts"
_REPEATS = 5  # posts of an open alert until it would end
_LABELS = ("run", "family", "stream", "kind", "channel", "severity", "alert_id")
_ANNOTATIONS = ("ratio", "peak_ratio", "value", "expected", "acknowledged_by")


class Alertmanager:
    """Posts alerts. `keep_alive_every` is how often open ones are posted again, in seconds."""

    def __init__(
        self,
        settings: AlertmanagerNotifier,
        _environ: Mapping[str, str],
        clock: Callable[[], int] = time.time_ns,
        resolver: Resolver = resolve,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._poster = Poster(settings.model_copy(update={"url": _endpoint(settings.url)}), clock, resolver)
        self.timeout = self._poster.timeout
        self.keep_alive_every = settings.ends_after / 1e9 / _REPEATS

    def __repr__(self) -> str:
        return repr(self._poster)

    def send(self, delivery: Delivery) -> str:
        """Post one alert. Raises NotifyError unless Alertmanager has taken it within the timeout."""
        return self._poster.post(json.dumps(self._alerts([delivery])))

    def keep_alive(self, deliveries: Sequence[Delivery]) -> None:
        """Post alerts again, in one request. Raises NotifyError."""
        self._poster.post(json.dumps(self._alerts(deliveries)))

    def preview(self, delivery: Delivery) -> str:
        """The body of the post."""
        return dumps(self._alerts([delivery]), indent=2)

    def _alerts(self, deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
        now, posted = self._clock(), []
        for message in map(message_of, deliveries):
            begin, end = _time(message, "opened_at", now), now + self._settings.ends_after
            if message.is_over:
                end = _time(message, "resolved_at", now)
            elif message.is_seen and message.data["state"] != AlertState.ACKNOWLEDGED:
                end = now  # put aside by a person
            posted.append(self._alert(message, message.get("severity"), begin, end))
            if message.get("severity") == Severity.CRITICAL:
                posted.append(self._alert(message, Severity.WARNING, begin, min(now, end)))
        return posted

    def _alert(self, message: Message, severity: str, begin: int, end: int) -> dict[str, Any]:
        settings = self._settings
        labels = {name: message.get(name) for name in _LABELS} | settings.labels
        notes = {"summary": message.title(settings.title), "description": message.fill(settings.body)}
        notes |= {name: message.get(name) for name in _ANNOTATIONS}
        return {
            "labels": {"alertname": "Watchkeeper", **_filled(labels | {"severity": severity})},
            "annotations": _filled(notes),
            "startsAt": iso(begin),
            "endsAt": iso(max(begin, end)),
            **({"generatorURL": link} if (link := message.get("link")) else {}),
        }


def _endpoint(url: str) -> str:
    """Where alerts are posted to; `url` is as a browser opens it."""
    return url if url.endswith(_PATH) else url.rstrip("/") + _PATH


def _filled(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}


def _time(message: Message, name: str, now: int) -> int:
    """A time of the message, ns; now where it has none or lies ahead, as what ends before it began is refused."""
    try:
        read = datetime.fromisoformat(message.get(name)[:19]).replace(tzinfo=UTC)
    except ValueError:
        return now
    return min(now, round(read.timestamp()) * 10**9)
