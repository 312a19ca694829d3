"""Messages about incidents: made when they are due, in the transaction that notes that they were made.

An outbox row refers to a change of an alert: here, to the newest change of a member that no row refers to yet. Each
message follows a change of a member, so there is one.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from monitor.alerts.incidents import announced, happened, message, message_name
from monitor.ports.incidents import AnnounceIncident, News
from monitor.records.alerts import message_id
from monitor.records.incidents import Incident
from monitor.store import alert_rows, incident_rows, schema
from monitor.store.engine import Database
from monitor.store.open import open_database

_AT_ONCE = 20  # incidents in a transaction


def open_incident_messages(url: str, announce: AnnounceIncident) -> SqlIncidentMessages:
    """Open the store at `url` for messages about incidents, with separate connections. Raises StoreError."""
    return SqlIncidentMessages(open_database(url), announce)


class SqlIncidentMessages:
    """`IncidentMessages` over a `Database`. Any number of processes may share it."""

    def __init__(self, database: Database, announce: AnnounceIncident) -> None:
        self._database, self._announce = database, announce

    def write_due(self, now: int) -> int:
        """Make what is due; see `IncidentMessages`."""
        due = select(schema.incidents).where(schema.incidents.c.due_at <= now).order_by(schema.incidents.c.due_at)
        with self._database.reading() as connection:  # mostly there is none: that needs no write lock
            if connection.execute(due.limit(1)).first() is None:
                return 0
        with self._database.writing() as connection:
            rows = connection.execute(due.limit(_AT_ONCE).with_for_update(skip_locked=True)).all()
            return sum(self._write(connection, incident_rows.incident(row), now) for row in rows)

    def close(self) -> None:
        """Give connections back."""
        self._database.close()

    def _write(self, connection: Connection, incident: Incident, now: int) -> int:
        """Make one message, or find that there is nothing new to say."""
        change = _unused_change(connection, incident.id)
        what = message(incident) if change is not None else ""
        after = announced(incident, now)
        if what and change is not None:
            a, m = schema.alerts.c, schema.incident_members.c
            of = select(schema.alerts).join(schema.incident_members, m.alert == a.id).where(m.incident == incident.id)
            alerts = [alert_rows.alert(row) for row in connection.execute(of)]
            store = self._database.identity
            news = News(what, happened(incident, change.at), incident, alerts, store)
            name = message_id(store, message_name(after))
            rows = [
                {
                    "message": name, "transition": change.id, "alert": incident.id, "channel": channel,
                    "payload": payload, "created": now, "next_at": 0, "attempts": 0,
                    "severity": incident.severity.value,
                }
                for channel, payload in self._announce(news)
            ]  # fmt: skip
            if rows:
                connection.execute(schema.outbox.insert(), rows)
        of_it = schema.incidents.update().where(schema.incidents.c.id == incident.id)
        connection.execute(of_it.values(**(incident_rows.row(after) if what else {"due_at": None})))
        return bool(what)


def _unused_change(connection: Connection, incident: UUID) -> Any:
    """Id and event time of the newest change of a member to which no outbox row refers."""
    t, m, o = schema.transitions.c, schema.incident_members.c, schema.outbox.c
    query = select(t.id, t.at).join(schema.incident_members, m.alert == t.alert)
    query = query.where(m.incident == incident, m.grouped)  # others are announced by themselves
    query = query.where(~select(o.id).where(o.transition == t.id).exists())
    return connection.execute(query.order_by(t.at.desc(), t.id).limit(1)).first()
