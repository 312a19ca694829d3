"""What a message about an incident says, as JSON. Field names are a promise to receivers: new ones may come.

```
type        "incident.opened", also of one that opens again | "incident.updated" | "incident.resolved"
timestamp   event time of the newest change of a member
data        store incident_id run group state severity opened_at newest_at resolved_at
            state         "open"; "acknowledged": every open member is; "resolved": every member is
            severity      the worst of its members
            alerts open acknowledged    how many members, of these open ones, of these acknowledged ones
            kinds         how many members of each kind
            members       at most 20: the first, then by severity, peak ratio and opening; each with alert_id family
                          stream kind channel severity state opened_at resolved_at peak_ratio cause
            more          how many members are not listed
```
Times and numbers are written as in messages about alerts. A message is always below `MAX_BYTES`: members that do not
fit are counted in `more`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from monitor.alerts.incidents import ranked
from monitor.config.channels import Channel
from monitor.notify.cut import cut
from monitor.notify.payload import MAX_BYTES
from monitor.ports.incidents import AnnounceIncident, News
from monitor.records.alerts import Alert
from monitor.records.escapes import safe_json
from monitor.records.incidents import IncidentState
from monitor.records.times import iso

LISTED = 20
_NAME = 80  # characters of a name in the list


def incident_announcement(channels: Mapping[str, Channel]) -> AnnounceIncident:
    """Announce incidents to the channels whose filters let one of the members through."""

    def announce(news: News) -> list[tuple[str, str]]:
        wanting = [
            name
            for name, channel in channels.items()
            if any(channel.wants(alert, alert.severity) for alert in news.alerts)
        ]
        text = incident_payload(news) if wanting else ""
        return [(name, text) for name in wanting]

    return announce


def incident_payload(news: News) -> str:
    """The message about what is new of an incident."""
    members = ranked(news.alerts)
    data = _data(news) | {
        "kinds": dict(sorted(Counter(cut(alert.kind, _NAME) for alert in members).most_common(LISTED))),
        "members": [],
        "more": len(members),
    }
    message = {"type": f"incident.{news.what}", "timestamp": iso(news.at), "data": data}
    size = len(_text(message).encode())
    for alert in members[:LISTED]:
        row = _member(alert)
        size += len(_text(row).encode()) + 1
        if size >= MAX_BYTES:
            break
        data["members"].append(row)
        data["more"] -= 1
    return _text(message)


def _data(news: News) -> dict[str, Any]:
    """Of an incident that is over before it was announced, the first message opens it, and the next one ends it."""
    of = news.incident
    over = of.state is IncidentState.RESOLVED and news.what != "opened"
    state = IncidentState.OPEN if of.state is IncidentState.RESOLVED and not over else of.state
    return {
        "store": news.store, "incident_id": of.id, "run": cut(of.run), "group": cut(of.group), "state": state,
        "severity": of.severity, "opened_at": iso(of.opened_at), "newest_at": iso(of.newest_at),
        "resolved_at": iso(of.resolved_at) if over and of.resolved_at is not None else None,
        "alerts": of.members, "open": of.open, "acknowledged": of.acknowledged,
    }  # fmt: skip


def _member(of: Alert) -> dict[str, Any]:
    return {
        "alert_id": of.id, "family": cut(of.family, _NAME), "stream": cut(of.stream, _NAME),
        "kind": cut(of.kind, _NAME), "channel": cut(of.channel, _NAME), "severity": of.severity, "state": of.state,
        "opened_at": iso(of.opened_at), "resolved_at": None if of.resolved_at is None else iso(of.resolved_at),
        "peak_ratio": of.peak_ratio, "cause": cut(of.cause, 2 * _NAME),
    }  # fmt: skip


def _text(value: dict[str, Any]) -> str:
    return safe_json(msgspec.json.encode(value).decode())
