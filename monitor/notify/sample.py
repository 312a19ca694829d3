"""A made-up alert that opens and is resolved: what `notify test` sends and `notify preview` shows."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from uuid import UUID, uuid4

import numpy as np

from monitor.notify.payload import payload
from monitor.records.alerts import (
    Alert,
    AlertState,
    Delivery,
    Evidence,
    Fact,
    FactKind,
    Severity,
    Transition,
    alert_id,
    message_id,
)
from monitor.records.batches import LIVE

_STEPS, _STEP = 60, 10 * 10**9  # readings of the window, and ns between them
_JUMP = 45  # reading from which on it is unusual


class Sample(NamedTuple):
    """The messages of a test, in their order, and the evidence of their alert."""

    deliveries: tuple[Delivery, Delivery]
    evidence: Evidence


def sample(channel: str, now: int, link: str = "") -> Sample:
    """A new alert each time, so that a receiver takes it for no repeat. `now` is wall clock, ns."""
    store = uuid4()
    name = f"test-{store.hex[:8]}"
    evidence = _evidence(alert_id(LIVE, "watchkeeper", name, now), now)
    opened = Alert(
        id=evidence.alert, run=LIVE, family="watchkeeper", stream=name, kind="test", severity=Severity.WARNING,
        opened_at=now, started_at=evidence.start, last_at=now, peak_ratio=2.5, peak_at=now,
        cause="a test message: nothing is wrong",
    )  # fmt: skip
    over = replace(opened, state=AlertState.RESOLVED, resolved_at=now)
    return Sample(
        (
            _delivery(opened, FactKind.OPENED, (store, channel, link), evidence),
            _delivery(over, FactKind.CLEARED, (store, channel, link), None),
        ),
        evidence,
    )


def _delivery(alert: Alert, kind: FactKind, where: tuple[UUID, str, str], evidence: Evidence | None) -> Delivery:
    store, channel, link = where
    fact = Fact(
        kind=kind, alert=alert.id, run=alert.run, family=alert.family, stream=alert.stream, at=alert.last_at, ratio=2.5,
        opened_at=alert.opened_at, started_at=alert.started_at, last_at=alert.last_at, peak_ratio=2.5,
        peak_at=alert.peak_at, windows=1,
    )  # fmt: skip
    change = Transition(
        id=fact.id, alert=alert.id, number=int(kind is FactKind.CLEARED), cause=kind, at=alert.last_at,
        state=alert.state, severity=alert.severity, ratio=2.5,
    )  # fmt: skip
    return Delivery(
        id=0, message=message_id(store, change.id), transition=change.id, alert=alert.id, channel=channel,
        payload=payload(alert, change, evidence, store, link), attempts=0,
    )  # fmt: skip


def _evidence(alert: UUID, now: int) -> Evidence:
    """A wave that leaves its course."""
    expected = 60 + 5 * np.sin(np.arange(_STEPS) / 8)
    values = expected + np.where(np.arange(_STEPS) < _JUMP, 0, 12)
    share = np.abs(values - expected) / np.abs(values - expected).sum()
    columns = [np.asarray(each[:, np.newaxis], np.float32) for each in (values, expected, share)]
    return Evidence(
        alert=alert, start=now - (_STEPS - 1) * _STEP, end=now, channels=("example",), values=columns[0],
        reconstruction=columns[1], contribution=columns[2], facts={"score": 5.0, "limit": 2.0},
    )  # fmt: skip
