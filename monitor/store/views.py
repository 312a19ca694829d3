"""Views for people: alerts and scores with timestamps, names and words instead of numbers.

They follow the tables of this version: every upgrade drops them first and makes them again when it has come to the end,
so that no migration meets a view of a table that it changes.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table

from monitor.records.scalars import State
from monitor.store import schema

_TIMES = {
    "opened_at", "started_at", "last_at", "resolved_at", "peak_at", "acknowledged_at", "shelved_until",
    "out_of_service", "flapping_until", "escalate_at", "repeat_at", "due_at",
}  # of alerts  # fmt: skip
_ALERTS = "alerts_readable"
_SCORES = "scores_readable"
VIEWS = (_ALERTS, _SCORES)


def drop(connection: Connection) -> None:
    """Remove the views, where there are any."""
    for name in VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def create(connection: Connection) -> None:
    """Make the views over the tables as they are in `schema`."""
    dialect = connection.dialect.name
    connection.exec_driver_sql(f"CREATE VIEW {_ALERTS} AS {_alerts(dialect)}")
    connection.exec_driver_sql(f"CREATE VIEW {_SCORES} AS {_scores(dialect)}")


def _alerts(dialect: str) -> str:
    columns = (
        f"{_time(_named(name), dialect)} AS {_named(name)}" if name in _TIMES else _named(name)
        for name in _names(schema.alerts)
    )
    return f"SELECT {', '.join(columns)} FROM alerts"  # noqa: S608 (our names)


def _scores(dialect: str) -> str:
    words = " ".join(f"WHEN {state.value} THEN '{state.name.lower()}'" for state in State)
    first, last = _time("s.start_ns", dialect), _time("s.end_ns", dialect)
    return (
        f"SELECT t.run, t.family, t.name AS stream, {first} AS window_start, {last} AS window_end, s.score,"  # noqa: S608
        f' s."limit", s.ratio, s.imputed, CASE s.state {words} END AS state, m.id AS model'
        " FROM scores s JOIN streams t ON t.id = s.stream_id LEFT JOIN models m ON m.ref = s.model"
    )


def _time(column: str, dialect: str) -> str:
    """Nanoseconds as a timestamp: text in UTC to the millisecond on SQLite, to the microsecond on PostgreSQL."""
    if dialect == "sqlite":
        return f"strftime('%Y-%m-%d %H:%M:%f', {column} / 1e9, 'unixepoch')"
    return f"timestamptz 'epoch' + {column} / 1000 * interval '1 microsecond'"


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _named(column: str) -> str:
    return f'"{column}"'
