"""The read side, for the command line and the web: nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError, StoreError
from monitor.ports.models import ModelRow
from monitor.records.alerts import Alert, AlertState, Evidence, Transition
from monitor.records.scalars import NEVER
from monitor.store import (
    alert_rows,
    deliveries,
    evidence_facts,
    known_names,
    late,
    rollups,
    schema,
    service,
    stream_reports,
)
from monitor.store.deliveries import DeliveryRecord
from monitor.store.engine import Database
from monitor.store.late import LateRecord, LateSummary
from monitor.store.open import open_database
from monitor.store.service import Service
from monitor.store.stream_reports import StreamReport

if TYPE_CHECKING:  # numpy is slow to import, and lists need none
    from monitor.records.batches import Scores
    from monitor.records.score_summaries import Rollup

_FOREVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """An alert with everything kept beside it; `evidence` is None where nothing was kept.

    `filtered` has the channels whose filters kept a change back, by transition.
    """

    alert: Alert
    transitions: list[Transition]
    evidence: Evidence | None
    deliveries: list[DeliveryRecord]
    filtered: dict[UUID, list[str]]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: how many streams it has, how many alerts, and the newest reading's time."""

    run: str
    streams: int
    alerts: int
    last_time: int | None


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model and what it is now: candidate, champion or retired. `created` is wall clock, ns."""

    model: ModelRow
    state: str
    created: int


def open_reader(url: str) -> Reader:
    """Open the store at `url` for reading. Raises StoreError."""
    return Reader(open_database(url))


class Reader:
    """Queries over a `Database`. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def identity(self) -> UUID:
        """What distinguishes this database from others with the same run names."""
        return self._database.identity

    def list_alerts(
        self,
        run: str,
        *,
        state: AlertState | Literal["unseen"] | None = None,
        family: str | None = None,
        stream: str | None = None,
        limit: int = 100,
        before: UUID | None = None,
    ) -> list[Alert]:
        """Newest first; "unseen" ended, never acknowledged. `before` is the last alert of the page before this one."""
        a = schema.alerts.c
        wanted: list[ColumnElement[bool]] = [a.run == run]
        wanted += [a[name] == value for name, value in (("family", family), ("stream", stream)) if value is not None]
        if state == "unseen":
            wanted += [a.state == AlertState.RESOLVED.value, a.acknowledged_at.is_(None)]
        elif state is not None:
            wanted.append(a.state == state.value)
        query = select(schema.alerts).where(*wanted).order_by(a.opened_at.desc(), a.id.desc()).limit(limit)
        with self._database.reading() as connection:
            if before is not None:
                last = connection.execute(select(a.opened_at, a.id).where(a.id == before)).one_or_none()
                if last is None:
                    raise StoreError(f"{self._database.label}: no alert {before} to go on from")
                query = query.where(tuple_(a.opened_at, a.id) < (last.opened_at, last.id))
            return [alert_rows.alert(row) for row in connection.execute(query)]

    def get_alert(self, id_or_prefix: str) -> AlertDetail:
        """The one alert whose id begins so. Raises SettingsError when there is none, or more than one."""
        first, last = id_range(id_or_prefix)
        a = schema.alerts.c
        with self._database.reading() as connection:
            rows = connection.execute(select(schema.alerts).where(a.id.between(first, last)).limit(2)).all()
            if not rows:
                raise unknown("alert", id_or_prefix, known_names.alerts(connection), f" in {self._database.label}")
            if len(rows) > 1:
                raise SettingsError(
                    f"{self._database.label}: several alerts begin with {id_or_prefix}; give more of the id"
                )
            alert = alert_rows.alert(rows[0])
            return AlertDetail(
                alert, _transitions(connection, alert.id), evidence_of(connection, alert.id),
                deliveries.of_alert(connection, alert.id), deliveries.filtered(connection, alert.id),
            )  # fmt: skip

    def scores_of(
        self, run: str, family: str, stream: str, *, start: int = NEVER, end: int = _FOREVER, limit: int = 100_000
    ) -> Scores:
        """The first `limit` scores of a stream whose windows end in [start, end), by time. `stream` codes are all 0."""
        import numpy as np

        from monitor.records.batches import Scores

        s, t = schema.scores.c, schema.streams.c
        query = (
            select(s.start_ns, s.end_ns, s.score, s.limit, s.ratio, s.imputed, s.state)
            .join(schema.streams, t.id == s.stream_id)
            .where(t.run == run, t.family == family, t.name == stream, s.end_ns >= start, s.end_ns < end)
            .order_by(s.end_ns)
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        columns: Any = list(zip(*rows, strict=True)) or [()] * 7
        starts, ends = (np.array(column, np.int64) for column in columns[:2])
        score, lim, ratio, imputed = (np.array(column, np.float32) for column in columns[2:6])  # None becomes NaN
        return Scores(
            np.zeros(len(rows), np.int32), starts, ends, score, lim, ratio, imputed, np.array(columns[6], np.uint8)
        )

    def rollups_of(self, run: str, family: str, stream: str, *, start: int = NEVER, end: int = _FOREVER) -> Rollup:
        """Summaries of a stream's scores that begin in [start, end), by time; with `store.scores` = "rollup"."""
        with self._database.reading() as connection:
            return rollups.read(connection, run, family, stream, start, end)

    def stream_reports(
        self,
        run: str,
        *,
        family: str | None = None,
        name: str | None = None,
        limit: int | None = None,
        retired: bool = False,
    ) -> list[StreamReport]:
        """How the streams of a run are doing, by family and name."""
        with self._database.reading() as connection:
            return stream_reports.read(connection, run, family, name, limit, retired=retired)

    def service(self, run: str) -> Service:
        """A run's workers, what each of them owns, and the outbox."""
        with self._database.reading() as connection:
            return service.read(connection, run)

    def dead_letter_counts(self, run: str) -> dict[str, int]:
        """Records that could not be read, by reason."""
        d = schema.dead_letters.c
        query = select(d.reason, func.count()).where(d.run == run).group_by(d.reason).order_by(d.reason)
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def list_late(
        self, run: str, *, family: str | None = None, stream: str | None = None, limit: int | None = None
    ) -> list[LateRecord]:
        """Readings that came too late, the newest arrivals first; of older ones only the counters are left."""
        with self._database.reading() as connection:
            return late.read(connection, run, family, stream, limit)

    def late_summaries(self, run: str) -> list[LateSummary]:
        """How many readings were late, and how many of them are kept, by family."""
        with self._database.reading() as connection:
            return late.summarise(connection, run)

    def list_runs(self) -> list[RunRecord]:
        """Every run that has streams, by name."""
        t, a = schema.streams.c, schema.alerts.c
        alerts = select(func.count()).where(a.run == t.run).correlate(schema.streams).scalar_subquery()
        query = select(t.run, func.count(), alerts, func.max(t.last_time)).group_by(t.run).order_by(t.run)
        with self._database.reading() as connection:
            return [RunRecord(*row) for row in connection.execute(query)]

    def list_models(self, family: str | None = None) -> list[ModelRecord]:
        """Models, newest first."""
        m = schema.models.c
        query = select(m.id, m.family, m.path, m.manifest, m.state, m.created).order_by(m.ref.desc())
        with self._database.reading() as connection:
            rows = connection.execute(query if family is None else query.where(m.family == family)).all()
        return [
            ModelRecord(ModelRow(id=r.id, family=r.family, path=r.path, manifest=r.manifest), r.state, r.created)
            for r in rows
        ]

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def id_range(prefix: str, what: str = "alert") -> tuple[UUID, UUID]:
    """The smallest and the largest id that begin so: a range works on both databases' kinds of id."""
    digits = prefix.replace("-", "").lower()
    if not digits or len(digits) > 32 or set(digits) - set("0123456789abcdef"):
        raise SettingsError(f"{prefix!r} is no {what} id; an id is made of the digits 0-9 and a-f")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _transitions(connection: Connection, alert: UUID) -> list[Transition]:
    t = schema.transitions.c
    rows = connection.execute(select(schema.transitions).where(t.alert == alert).order_by(t.number))
    return [alert_rows.transition(row) for row in rows]


def evidence_of(connection: Connection, alert: UUID) -> Evidence | None:
    """Why an alert opened; None where nothing is kept of it."""
    row = connection.execute(select(schema.evidence).where(schema.evidence.c.alert == alert)).one_or_none()
    if row is None:
        return None
    return evidence_facts.evidence(row)
