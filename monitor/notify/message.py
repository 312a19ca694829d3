"""A payload as channels for people and other formats read it: its fields, also of rows that earlier versions wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.config.message_templates import FIELDS, PLACE
from monitor.errors import NotifyError
from monitor.records.alerts import AlertState, Delivery, Severity
from monitor.records.escapes import visible_lines


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded payload. `data` is the object of that name, whose fields docs/notifications.md lists."""

    type: str
    timestamp: str
    data: Mapping[str, Any]
    fallback_for: str = ""  # the channel that could not deliver it

    def get(self, name: str) -> str:
        """A field as text for a person; empty where it is absent or null."""
        return _text(self.data.get(name))

    @property
    def is_news(self) -> bool:
        """Something waits for a person."""
        return self.type == "digest" or self.data.get("state") == AlertState.OPEN

    @property
    def is_over(self) -> bool:
        """The alert is resolved."""
        return self.data.get("state") == AlertState.RESOLVED

    @property
    def is_seen(self) -> bool:
        """A person knows of it, or has put it aside: it is open, and is not announced again now."""
        return self.data.get("state") not in (AlertState.OPEN, AlertState.RESOLVED, None)

    @property
    def summary(self) -> str:
        """One sentence; of a payload of an earlier version a shorter one."""
        return self.get("summary") or " ".join(filter(None, map(self.get, ("family", "stream", "kind", "state"))))

    def fill(self, template: str) -> str:
        """The template with its fields replaced. A line is left out where it has fields and all of them are empty."""
        lines = []
        for line in template.splitlines():
            values = [self._field(place[1]) for place in PLACE.finditer(line) if place[1] is not None]
            if not values or any(values):
                lines.append(PLACE.sub(lambda place: place[0][0] if place[1] is None else self._field(place[1]), line))
        return "\n".join(lines).strip()

    def title(self, template: str) -> str:
        """As `fill`, on one line: titles become headers of mails."""
        return " ".join(self.fill(template).split())

    def _field(self, name: str) -> str:
        if name in ("type", "timestamp"):
            return visible_lines(getattr(self, name))
        return visible_lines(self.summary if name == "summary" else self.get(name)) if name in FIELDS else ""


def message_of(delivery: Delivery) -> Message:
    """The payload of a delivery. Raises NotifyError where it is none of ours: a repeat cannot help."""
    try:
        found = msgspec.json.decode(delivery.payload, type=dict[str, Any])
        data, kind = dict(found["data"]), str(found["type"])
        if fields := _OTHERS.get(kind.partition(".")[0]):
            data = {"alert_id": str(delivery.message)} | fields(data) | data
        message = Message(kind, str(found["timestamp"]), data, str(found.get("fallback_for") or ""))
        _ = data["alert_id"], data["state"]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise NotifyError(f"payload of {delivery.transition} is damaged: {error}", permanent=True) from None
    return message


def _of_digest(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an alert for what stands for several: open where one is, as severe as the worst."""
    lines = [" ".join(str(each.get(name, "")) for name in _LISTED) for each in data["list"]]
    more = [f"and {data['not_listed']} more"] if data["not_listed"] else []
    return {
        "state": AlertState.OPEN if {*data["by_state"]} - {AlertState.RESOLVED} else AlertState.RESOLVED,
        "severity": Severity.CRITICAL if Severity.CRITICAL in data["by_severity"] else Severity.WARNING,
        "summary": f"{data['messages']} messages about {data['alerts']} alerts",
        "contributions": [*lines, *more],
    }


def _of_heartbeat(data: Mapping[str, Any]) -> dict[str, Any]:
    said = f"Watchkeeper is alive: {data['workers']} workers, the newest commit at {data['committed_at']}"
    return {"state": AlertState.RESOLVED, "summary": said}


def _of_incident(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an alert for an incident: one receiver's incident for each of ours."""
    lines = [" ".join(str(each.get(name, "")) for name in _LISTED) for each in data["members"]]
    more = [f"and {data['more']} more"] if data["more"] else []
    return {
        "alert_id": data["incident_id"],
        "family": data["group"],
        "kind": "incident",
        "summary": f"{data['alerts']} alerts in {data['group']}, {data['open']} of them open",
        "contributions": [*lines, *more],
    }


# By the first word of the type, what is not about one alert
_OTHERS = {"digest": _of_digest, "heartbeat": _of_heartbeat, "incident": _of_incident}
_LISTED = ("severity", "state", "family", "stream", "kind")


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case float() if math.isfinite(value):
            return f"{value:.4g}"
        case list():
            return "\n".join(map(_text, value))
        case _:
            return str(value)
