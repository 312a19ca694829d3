"""Alerts and what belongs to them: states, transitions, evidence and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID, uuid5

from monitor.records.batches import (
    NAMESPACE,
    Float32,
)


class AlertState(StrEnum):
    """Life of an alert."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How far beyond the limit an alert went."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A run of anomalies of one stream, as a person sees it. Times are event times in ns."""

    id: UUID
    run: str
    family: str
    stream: str
    kind: str = "anomaly"
    state: AlertState = AlertState.OPEN
    severity: Severity = Severity.WARNING
    opened_at: int  # end of the window on which it opened
    started_at: int  # start of the first window that took part
    last_at: int  # end of the newest anomalous window
    resolved_at: int | None = None
    peak_ratio: float
    peak_at: int
    windows: int = 1  # anomalous windows so far


def alert_id(run: str, family: str, stream: str, opened_at: int, *kind: str) -> UUID:
    """The id of the alert that opened there, in every process alike; `kind` of those that are not anomalies."""
    return uuid5(NAMESPACE, "\x1f".join((run, family, stream, str(opened_at), *kind)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change in an alert's life; rows of it are never changed. `number` counts from 0 within the alert."""

    alert: UUID
    number: int
    at: int  # event time, ns
    state: AlertState
    severity: Severity
    ratio: float  # of the window that caused it
    actor: str = "monitor"
    note: str = ""

    @property
    def id(self) -> UUID:
        """Stable id, also the webhook's id."""
        return uuid5(self.alert, str(self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why an alert opened: the window, its reconstruction and each cell's share of the score, all (length, channels).

    `values` and `reconstruction` are in the units of the readings; `contribution` sums to 1. A detector that
    reconstructs nothing leaves `reconstruction` None. `facts` is what else is
    known of the window, each name with its unit; of a heartbeat: rr_s (unknown after a gap), rate_bpm, latency_s.
    `components` are the shares of the detector and of each companion in the score; empty where there are no companions.
    """

    alert: UUID
    start: int
    end: int
    channels: tuple[str, ...]
    values: Float32
    reconstruction: Float32 | None
    contribution: Float32
    facts: Mapping[str, float] = field(default_factory=dict)
    components: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notification that is due: an outbox row."""

    id: int
    transition: UUID
    alert: UUID
    channel: str
    payload: str  # JSON, as it is posted
    attempts: int
