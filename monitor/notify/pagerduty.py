"""PagerDuty by Events v2 (https://developer.pagerduty.com/docs/events-api-v2): one incident for each alert.

The deduplication key is made of the database and the alert, so that later messages acknowledge and resolve the incident
that the first one has opened, and a repeat opens no second one. One that a person puts aside (shelved, out of service)
is resolved there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from monitor.config.notifiers import PagerdutyNotifier
from monitor.notify.hosts import Resolver, resolve
from monitor.notify.message import Message, message_of
from monitor.notify.posting import Poster
from monitor.notify.secret_text import secret_text
from monitor.records.alerts import AlertState, Delivery
from monitor.records.escapes import dumps

# A trigger does not page while the incident is acknowledged: one that a person puts aside is resolved, and opens again
_ACTIONS: dict[str, str] = {AlertState.ACKNOWLEDGED: "acknowledge"}
_ACTIONS |= dict.fromkeys((AlertState.SHELVED, AlertState.OUT_OF_SERVICE, AlertState.RESOLVED), "resolve")
_SUMMARY = 1024  # characters, the most that PagerDuty takes
_SEVERITIES = ("info", "warning", "error", "critical")  # PagerDuty's


class Pagerduty:
    """Sends each change of an alert as an event. Raises SettingsError without a routing key."""

    def __init__(
        self,
        settings: PagerdutyNotifier,
        environ: Mapping[str, str],
        clock: Callable[[], int] = time.time_ns,
        resolver: Resolver = resolve,
    ) -> None:
        self._key = secret_text("routing_key", settings.routing_key_env, settings.routing_key_file, environ)
        self._poster = Poster(settings, clock, resolver, [self._key])
        self._title = settings.title
        self.timeout = self._poster.timeout

    def __repr__(self) -> str:
        return repr(self._poster)

    def send(self, delivery: Delivery) -> str:
        """Post one event. Raises NotifyError unless PagerDuty has queued it within the timeout."""
        return self._poster.post(json.dumps({"routing_key": self._key} | self._event(message_of(delivery))))

    def preview(self, delivery: Delivery) -> str:
        """The event without the routing key."""
        return dumps(self._event(message_of(delivery)), indent=2)

    def _event(self, message: Message) -> dict[str, Any]:
        data, link = message.data, message.get("link")
        action = _ACTIONS.get(str(data["state"]), "trigger")
        severity = message.get("severity")
        return {
            "event_action": action,
            "dedup_key": f"watchkeeper/{data.get('store', '')}/{data['alert_id']}",  # 85 characters; 255 are allowed
            "client": "Watchkeeper",
            **({"client_url": link, "links": [{"href": link, "text": "Evidence"}]} if link else {}),
            "payload": {
                "summary": message.title(self._title)[:_SUMMARY] or message.summary,
                "source": message.get("stream") or message.get("family"),
                "severity": severity if severity in _SEVERITIES else "error",
                "timestamp": message.timestamp,
                "component": message.get("channel"),
                "group": message.get("family"),
                "class": message.get("kind"),
                "custom_details": dict(data),
            },
        }
