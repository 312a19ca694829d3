"""What a digest says, as JSON: how many messages it stands for, of which alerts, and the alerts themselves.

```
type        "digest"
timestamp   when it was made (wall clock)
data        store digest_id reason messages alerts
            reason        "rate": more than `per_minute`; "quiet": the quiet hours are over
            by_kind by_severity by_state   how many alerts of each, after the newest of the messages
            list          at most 50 alerts, the critical ones and the latest first: alert_id run family stream kind
                          severity state peak_ratio opened_at, `messages` joined of it, `last` type of the newest one
            not_listed    how many alerts are left out of the list
```
Field names are a promise to receivers, as those of `payload` are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from monitor.notify.payload import MAX_BYTES
from monitor.ports.notifier import Render
from monitor.records.alerts import Delivery, Severity
from monitor.records.escapes import safe_json
from monitor.records.times import iso

LISTED = 50  # alerts
_HEAD = 4000  # bytes kept for what stands beside the list
_FIELDS = ("run", "family", "stream", "kind", "severity", "state", "peak_ratio", "opened_at")
_COUNTED = {"by_kind": "kind", "by_severity": "severity", "by_state": "state"}
_NAMES = 20  # of a count; the rest are counted together


def digest(reason: str, now: int) -> Render:
    """What renders the digest that is made at `now` (wall clock, ns) for this reason."""

    def render(deliveries: Sequence[Delivery], id_: UUID) -> str:
        newest: dict[UUID, dict[str, Any]] = {}
        counts = Counter(delivery.alert for delivery in deliveries)
        for delivery in deliveries:  # in their order: the last one of an alert stays
            newest[delivery.alert] = _read(delivery)
        alerts = sorted(newest.items(), key=_by_weight, reverse=True)
        listed = _listed([_entry(alert, message, counts[alert]) for alert, message in alerts])
        data = [message["data"] for _, message in alerts]
        message = {
            "type": "digest",
            "timestamp": iso(now),
            "data": {
                "store": next((found["store"] for found in data if "store" in found), None),
                "digest_id": id_, "reason": reason, "messages": len(deliveries), "alerts": len(alerts),
                **{name: _counted(data, field) for name, field in _COUNTED.items()},
                "list": [msgspec.Raw(entry) for entry in listed], "not_listed": len(alerts) - len(listed),
            },
        }  # fmt: skip
        return safe_json(msgspec.json.encode(message).decode())

    return render


def _read(delivery: Delivery) -> dict[str, Any]:
    """The message, whose `data` is empty where it is none of ours."""
    try:
        message: Any = msgspec.json.decode(delivery.payload)
    except msgspec.DecodeError:
        message = {}
    message = message if isinstance(message, dict) else {}
    return {**message, "data": message["data"] if isinstance(message.get("data"), dict) else {}}


def _by_weight(alert: tuple[UUID, dict[str, Any]]) -> tuple[bool, str]:
    data = alert[1]["data"]
    return data.get("severity") == Severity.CRITICAL, str(data.get("opened_at") or "")


def _entry(alert: UUID, message: dict[str, Any], count: int) -> dict[str, Any]:
    data = message["data"]
    known = {name: data[name] for name in _FIELDS if name in data}
    return {"alert_id": alert, **known, "messages": count, "last": message.get("type")}


def _listed(entries: Sequence[dict[str, Any]]) -> list[bytes]:
    """As many as a message may hold, as JSON that is safe to show."""
    found, room = [], MAX_BYTES - _HEAD
    for entry in entries[:LISTED]:
        text = safe_json(msgspec.json.encode(entry).decode()).encode()
        room -= len(text) + 1
        if room < 0:
            break
        found.append(text)
    return found


def _counted(data: Sequence[dict[str, Any]], field: str) -> dict[str, int]:
    """How many alerts of each; the rarest kinds are counted as "other" where there are many."""
    counts = Counter(str(found.get(field, "other"))[:40] for found in data).most_common()
    kept = dict(counts[:_NAMES])
    if rest := sum(count for _, count in counts[_NAMES:]):
        kept["other"] = kept.get("other", 0) + rest
    return kept
