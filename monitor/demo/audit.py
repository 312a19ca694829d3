"""The demo's own checks, in plain SQL on the file it leaves behind: nothing of the product is asked about itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from monitor.config.settings import Settings
from monitor.records.batches import LIVE
from monitor.records.counters import READINGS

_ROWS = {
    "scores": "SELECT count(*) FROM scores s JOIN streams t ON t.id = s.stream_id WHERE t.run = ?",
    "alerts": "SELECT count(*) FROM alerts WHERE run = ?",
    "transitions": "SELECT count(*) FROM transitions t JOIN alerts a ON a.id = t.alert WHERE a.run = ?",
    "evidence": "SELECT count(*) FROM evidence e JOIN alerts a ON a.id = e.alert WHERE a.run = ?",
    "outbox": "SELECT count(*) FROM outbox o JOIN alerts a ON a.id = o.alert WHERE a.run = ?",
}
_READINGS = (
    f"SELECT {', '.join(f'coalesce(sum({name}), 0)' for name in READINGS)},"  # noqa: S608 (our names)
    " (SELECT count(*) FROM dead_letters d WHERE d.run = ?) FROM streams WHERE run = ?"
)
_PENDING = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND gave_up_at IS NULL"
_TRANSITIONS = "SELECT t.id FROM transitions t JOIN alerts a ON a.id = t.alert WHERE a.run = ?"

# Pairs of live and replayed streams, with the newest window that the live run has of each.
_PAIRS = """
WITH pairs AS (
    SELECT l.id AS live, r.id AS again, l.family, l.name,
           (SELECT max(end_ns) FROM scores WHERE stream_id = l.id) AS newest
    FROM streams l LEFT JOIN streams r ON r.run = :again AND r.family = l.family AND r.name = l.name
    WHERE l.run = :live
)
"""
_DIFFERENCES = {
    "scores that differ or are missing": """
        SELECT count(*) FROM pairs p JOIN scores a ON a.stream_id = p.live
        LEFT JOIN scores b ON b.stream_id = p.again AND b.end_ns = a.end_ns
        WHERE b.score IS NOT a.score OR b."limit" IS NOT a."limit" OR b.ratio IS NOT a.ratio
           OR b.state IS NOT a.state OR b.start_ns IS NOT a.start_ns OR b.imputed IS NOT a.imputed""",
    "scores too many": """
        SELECT count(*) FROM pairs p JOIN scores b ON b.stream_id = p.again AND b.end_ns <= p.newest
        LEFT JOIN scores a ON a.stream_id = p.live AND a.end_ns = b.end_ns WHERE a.end_ns IS NULL""",
    "alerts that differ or are missing": """
        SELECT count(*) FROM alerts a LEFT JOIN alerts b ON b.run = :again AND b.family = a.family
           AND b.stream = a.stream AND b.kind = a.kind AND b.channel = a.channel AND b.opened_at = a.opened_at
        WHERE a.run = :live AND (b.id IS NULL OR b.id = a.id OR b.started_at IS NOT a.started_at
           OR a.state = 'resolved' AND (b.state IS NOT a.state OR b.severity IS NOT a.severity
              OR b.last_at IS NOT a.last_at OR b.resolved_at IS NOT a.resolved_at OR b.windows IS NOT a.windows
              OR b.peak_ratio IS NOT a.peak_ratio OR b.peak_at IS NOT a.peak_at))""",
    "alerts too many": """
        SELECT count(*) FROM alerts b LEFT JOIN pairs p ON p.family = b.family AND p.name = b.stream
        LEFT JOIN alerts a ON a.run = :live AND a.family = b.family AND a.stream = b.stream
           AND a.kind = b.kind AND a.channel = b.channel AND a.opened_at = b.opened_at
        WHERE b.run = :again AND a.id IS NULL AND (p.newest IS NULL OR b.opened_at <= p.newest)""",
    "transitions that differ or are missing": """
        SELECT count(*) FROM alerts a JOIN transitions x ON x.alert = a.id AND x.actor = 'monitor'
        LEFT JOIN alerts b ON b.run = :again AND b.family = a.family AND b.stream = a.stream AND b.kind = a.kind
           AND b.channel = a.channel AND b.opened_at = a.opened_at
        LEFT JOIN transitions y ON y.alert = b.id AND y.cause = x.cause AND y."at" = x."at"
        WHERE a.run = :live AND a.state = 'resolved' AND (y.id IS NULL OR y.severity IS NOT x.severity
           OR y.ratio IS NOT x.ratio)""",
    "evidence that differs or is missing": """
        SELECT count(*) FROM alerts a JOIN evidence x ON x.alert = a.id
        LEFT JOIN alerts b ON b.run = :again AND b.family = a.family AND b.stream = a.stream
           AND b.kind = a.kind AND b.channel = a.channel AND b.opened_at = a.opened_at
        LEFT JOIN evidence y ON y.alert = b.id
        WHERE a.run = :live AND (y.readings IS NOT x.readings OR y.reconstruction IS NOT x.reconstruction
           OR y.contribution IS NOT x.contribution)""",
}
_MORE = "SELECT count(*) FROM pairs p JOIN scores b ON b.stream_id = p.again WHERE b.end_ns > p.newest"


class Audit:
    """Reads the demo's SQLite file."""

    def __init__(self, database: Path) -> None:
        self._database = database

    @classmethod
    def of(cls, settings: Settings) -> Audit:
        """The one of the demo's configuration."""
        return cls(Path(settings.store.url.removeprefix("sqlite:///")))

    def rows(self, run: str) -> dict[str, int]:
        """Rows of a run, by table."""
        with self._open() as connection:
            return {table: connection.execute(query, (run,)).fetchone()[0] for table, query in _ROWS.items()}

    def readings(self, run: str = LIVE) -> dict[str, int]:
        """What became of the messages of a run."""
        with self._open() as connection:
            counts = connection.execute(_READINGS, (run, run)).fetchone()
        return dict(zip((*READINGS, "dead"), counts, strict=True))

    def pending(self) -> int:
        """Notifications that are still to be delivered."""
        with self._open() as connection:
            return int(connection.execute(_PENDING).fetchone()[0])

    def transitions(self, run: str = LIVE) -> set[str]:
        """Ids of all changes of a run's alerts, 32 hex digits each."""
        with self._open() as connection:
            return {str(row[0]) for row in connection.execute(_TRANSITIONS, (run,))}

    def differences(self, again: str) -> dict[str, int]:
        """How a replay differs from the live run: 0 everywhere when it does not.

        Scores, limits and evidence are compared to the bit. Windows beyond the newest one of the live run do not
        count: the range has ended there, while the live run still waits for late readings before it closes them.
        """
        return {what: self._count(query, again) for what, query in _DIFFERENCES.items()}

    def beyond(self, again: str) -> int:
        """Windows of the replay that the live run has not closed yet."""
        return self._count(_MORE, again)

    def _count(self, query: str, again: str) -> int:
        with self._open() as connection:
            return int(connection.execute(_PAIRS + query, {"live": LIVE, "again": again}).fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._database, timeout=10)) as connection:
            connection.execute("PRAGMA query_only = 1")
            yield connection
