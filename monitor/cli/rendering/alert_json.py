"""Alerts as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from monitor.alerts.accepting import accepting
from monitor.records.alerts import Alert, Evidence
from monitor.records.times import iso

if TYPE_CHECKING:
    from monitor.store.deliveries import DeliveryRecord
    from monitor.store.queries import AlertDetail


def alert_json(alert: Alert) -> dict[str, Any]:
    """All fields of an alert; times in ISO-8601, UTC."""
    times = {
        "opened_at", "started_at", "last_at", "resolved_at", "peak_at", "acknowledged_at", "shelved_until",
        "out_of_service", "flapping_until", "escalate_at", "repeat_at",
    }  # fmt: skip
    fields = {name: getattr(alert, name) for name in Alert.__slots__ if name not in {"escalate_after", "repeat_every"}}
    fields |= {name: _iso(fields[name]) for name in times}
    return fields | {"id": str(alert.id), "peak_ratio": _finite(alert.peak_ratio)}


def detail_json(detail: AlertDetail) -> dict[str, Any]:
    """An alert with its life, evidence and deliveries."""
    return {
        **alert_json(detail.alert),
        "accept": accepting(detail.alert),
        "transitions": [
            {
                "id": str(change.id), "number": change.number, "cause": change.cause, "at": iso(change.at),
                "state": change.state, "severity": change.severity, "ratio": _finite(change.ratio),
                "actor": change.actor, "acted_at": _iso(change.acted_at), "note": change.note,
                "withheld": change.withheld or None,
                "filtered": detail.filtered.get(change.id, []),
            }
            for change in detail.transitions
        ],
        "evidence": None if detail.evidence is None else _evidence_json(detail.evidence),
        "deliveries": [delivery_json(row) for row in detail.deliveries],
    }  # fmt: skip


def delivery_json(row: DeliveryRecord) -> dict[str, Any]:
    """What became of a notification."""
    return {
        "id": row.id, "webhook_id": str(row.message), "transition": str(row.transition), "channel": row.channel,
        "attempts": row.attempts, "error": row.error,
        "created": iso(row.created), "delivered_at": _iso(row.delivered_at), "gave_up_at": _iso(row.gave_up_at),
        "digest": row.digest, "fallback_for": row.fallback_for,
    }  # fmt: skip


def _evidence_json(evidence: Evidence) -> dict[str, Any]:
    cells = {name: getattr(evidence, name) for name in ("values", "reconstruction", "contribution")}
    cells |= {f"usual_{side}": getattr(evidence.band, side, None) for side in ("low", "high")}
    rows = {
        name: None if array is None else [[_finite(cell) for cell in row] for row in array.tolist()]
        for name, array in cells.items()
    }
    head = {"start": iso(evidence.start), "end": iso(evidence.end), "channels": evidence.channels}
    return {**head, "facts": dict(evidence.facts), "components": dict(evidence.components), **rows}


def _iso(time: int | None) -> str | None:
    return None if time is None else iso(time)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
