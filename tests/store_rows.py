"""Small commits to fill a store with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np

from monitor.ports.store import Commit, OpenedStream, ScoreBlock, StreamState
from monitor.records.alerts import (
    Alert,
    AlertState,
    Band,
    Command,
    CommandKind,
    Evidence,
    Fact,
    FactKind,
    Transition,
    alert_id,
)
from monitor.records.batches import Scores
from monitor.records.counters import COUNTERS, Counts

TOPIC = ("plant", 0)
SECOND = 10**9


def scores(ends: Sequence[int], score: float = 1.0, limit: float = 2.0) -> Scores:
    """One window per end, ten seconds long."""
    n = len(ends)
    end = np.array(ends, np.int64)
    return Scores(
        stream=np.zeros(n, np.int32), start=end - 10 * SECOND, end=end,
        score=np.full(n, score, np.float32), limit=np.full(n, limit, np.float32),
        ratio=np.full(n, score / limit, np.float32), imputed=np.zeros(n, np.float32), state=np.zeros(n, np.uint8),
    )  # fmt: skip


def block(stream: int, rows: Scores, model: str = "", family: str = "machines") -> ScoreBlock:
    return ScoreBlock(rows, np.full(len(rows), stream, np.int64), model, family)


def state(stream: int, state_: bytes, last_time: int = 5) -> StreamState:
    counted = counts(accepted=4, late=3, duplicate=2, future=1)
    return StreamState(id=stream, partition=0, last_time=last_time, state=state_, counts=counted)


def counts(**by_name: int) -> Counts:
    """These counters, the others 0."""
    assert by_name.keys() <= set(COUNTERS)
    return tuple(by_name.get(name, 0) for name in COUNTERS)


def alert(run: str = "live", stream: str = "m-1", opened_at: int = 100, family: str = "machines") -> Alert:
    return Alert(
        id=alert_id(run, family, stream, opened_at), run=run, family=family, stream=stream, opened_at=opened_at,
        started_at=opened_at - 10, last_at=opened_at, peak_ratio=1.5, peak_at=opened_at,
    )  # fmt: skip


def fact(of: Alert, kind: FactKind = FactKind.OPENED, at: int | None = None, ratio: float = 1.5) -> Fact:
    """What a worker reports of an alert whose numbers are those of `of`; `at` is when it opened unless given."""
    return Fact(
        kind=kind, alert=of.id, run=of.run, family=of.family, stream=of.stream, alert_kind=of.kind,
        at=of.opened_at if at is None else at, ratio=ratio, severity=of.severity, opened_at=of.opened_at,
        started_at=of.started_at, last_at=of.last_at, peak_ratio=of.peak_ratio, peak_at=of.peak_at, windows=of.windows,
        cause=of.cause, channel=of.channel,
    )  # fmt: skip


def transition(of: Alert, reported: Fact, number: int = 0) -> Transition:
    """What `reported` leads to where `of` is the alert after it."""
    return Transition(
        id=reported.id, alert=of.id, number=number, cause=reported.kind, at=reported.at, state=of.state,
        severity=of.severity, ratio=reported.ratio,
    )  # fmt: skip


def command(of: Alert, kind: CommandKind = CommandKind.ACKNOWLEDGE, number: int = 1, note: str = "") -> Command:
    return Command(id=UUID(int=number), alert=of.id, kind=kind, by="ann", at=1_000 + number, note=note)


def evidence(of: Alert) -> Evidence:
    values = np.array([[1.5, np.nan], [-2.25, 3.0], [0.1, 4.0]], np.float32)
    share = np.array([[0.1, 0.0], [0.2, 0.3], [0.2, 0.2]], np.float32)
    return Evidence(
        alert=of.id, start=of.started_at, end=of.opened_at, channels=("température", "load"),
        values=values, reconstruction=values + 1, contribution=share, facts={"rr_s": 0.8},
        components={"detector": 0.75, "shift": 0.25},
        band=Band(values - np.float32(1 / 3), values + np.float32(1e-7)),
    )  # fmt: skip


def full(stream: OpenedStream, epoch: int, run: str = "live", opened_at: int = 100, offset: int = 42) -> Commit:
    """A commit with a row of nearly everything, for stream `m-1`."""
    opened = alert(run, opened_at=opened_at)
    return Commit(
        run=run, scores=[block(stream.id, scores([opened_at]))], facts=[fact(opened)],
        evidence=[evidence(opened)], announce=lambda *_: [("hook", '{"a": 1}')], streams=[state(stream.id, b"saved")],
        positions={TOPIC: (epoch, offset)},
    )  # fmt: skip


def resolved(opened: Alert) -> Alert:
    return replace(
        opened, state=AlertState.RESOLVED, resolved_at=opened.opened_at + 50, windows=7, peak_ratio=3.0,
        peak_at=opened.opened_at + 20, last_at=opened.opened_at + 30,
    )  # fmt: skip


def cleared(opened: Alert) -> Fact:
    """The fact that makes it `resolved(opened)`."""
    return fact(resolved(opened), FactKind.CLEARED, opened.opened_at + 50, 0.5)
