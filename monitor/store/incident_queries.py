"""The read side of incidents, for the command line and the web."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, case, func, select

from monitor.alerts.incidents import ranked
from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError
from monitor.records.alerts import Alert, Transition
from monitor.records.incidents import Incident
from monitor.store import alert_rows, deliveries, incident_rows, known_names, queries, schema
from monitor.store.deliveries import DeliveryRecord
from monitor.store.engine import Database


class Change(NamedTuple):
    """A change of a member, and which one it is."""

    transition: Transition
    alert: Alert


@dataclass(frozen=True, slots=True)
class IncidentDetail:
    """An incident with its members, the first and the worst on top, their newest changes, and its messages.

    `changes` are in order of event time; `more` counts older ones that are left out.
    """

    incident: Incident
    alerts: list[Alert]
    changes: list[Change]
    more: int
    deliveries: list[DeliveryRecord]

    @property
    def kinds(self) -> dict[str, int]:
        """How many members of each kind, the most frequent first."""
        return dict(Counter(alert.kind for alert in self.alerts).most_common())


def list_incidents(database: Database, run: str, group: str | None = None, limit: int = 100) -> list[Incident]:
    """Open ones first, then by opening, newest first."""
    i = schema.incidents.c
    query = select(schema.incidents).where(i.run == run)
    query = query if group is None else query.where(i.group_name == group)
    query = query.order_by(case((i.open > 0, 0), else_=1), i.opened_at.desc(), i.id).limit(limit)
    with database.reading() as connection:
        return [incident_rows.incident(row) for row in connection.execute(query)]


def get_incident(database: Database, id_or_prefix: str, changes: int = 100) -> IncidentDetail:
    """The one incident whose id begins so, with its newest `changes`. Raises SettingsError for none, or several."""
    i = schema.incidents.c
    first, last = queries.id_range(id_or_prefix, "incident")
    with database.reading() as connection:
        rows = connection.execute(select(schema.incidents).where(i.id.between(first, last)).limit(2)).all()
        if not rows:
            raise unknown("incident", id_or_prefix, known_names.incidents(connection), f" in {database.label}")
        if len(rows) > 1:
            raise SettingsError(f"{database.label}: several incidents begin with {id_or_prefix}; give more of the id")
        incident = incident_rows.incident(rows[0])
        alerts = _alerts(connection, incident.id)
        newest, more = _changes(connection, incident.id, {alert.id: alert for alert in alerts}, changes)
        of_it = schema.outbox.c.alert == incident.id
        return IncidentDetail(incident, ranked(alerts), newest, more, deliveries.recorded(connection, of_it))


def _alerts(connection: Connection, incident: UUID) -> list[Alert]:
    m, a = schema.incident_members.c, schema.alerts.c
    query = select(schema.alerts).join(schema.incident_members, m.alert == a.id).where(m.incident == incident)
    return [alert_rows.alert(row) for row in connection.execute(query)]


def _changes(connection: Connection, incident: UUID, alerts: dict[UUID, Alert], most: int) -> tuple[list[Change], int]:
    t, m = schema.transitions.c, schema.incident_members.c
    ours = select(schema.transitions).join(schema.incident_members, m.alert == t.alert).where(m.incident == incident)
    count = connection.execute(select(func.count()).select_from(ours.subquery())).scalar_one()
    rows = connection.execute(ours.order_by(t.at.desc(), t.number.desc(), t.id).limit(most)).all()
    found = [Change(alert_rows.transition(row), alerts[row.alert]) for row in reversed(rows)]
    return found, count - len(found)
