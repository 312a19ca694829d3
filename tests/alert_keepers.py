"""A store and people's commands over one database or twin, and everything that is kept of alerts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import event, select

from monitor.ports.alert_commands import AlertCommands
from monitor.ports.alert_timers import AlertTimers
from monitor.ports.notifier import Outbox
from monitor.ports.store import Store
from monitor.records.alerts import Alert, Evidence, Transition
from monitor.store import alert_rows, schema
from monitor.store.alert_commands import SqlAlertCommands, open_alert_commands
from monitor.store.alert_timers import SqlAlertTimers, open_alert_timers
from monitor.store.engine import connect
from monitor.store.memory import MemoryStore
from monitor.store.memory_alerts import MemoryAlertCommands, MemoryAlertTimers
from monitor.store.memory_outbox import MemoryOutbox
from monitor.store.migrations import upgrade
from monitor.store.outbox import SqlOutbox, open_outbox
from monitor.store.sql import SqlStore, open_store


class Kept(NamedTuple):
    """What is stored; `outbox` has payloads by transition, `commands` why each was refused, "" = carried out."""

    alerts: dict[UUID, Alert]
    transitions: dict[UUID, list[Transition]]  # by alert, in order of number
    outbox: dict[UUID, str]
    commands: dict[UUID, str]


def render(change: Transition, alert: Alert, _: Evidence | None, _store: UUID) -> list[tuple[str, str]]:
    """A payload of what must come from the merged row."""
    text = f"{change.number} {change.cause} {alert.state} {alert.severity} {alert.windows} {alert.acknowledged_by}"
    return [("hook", text)]


class AlertKeeper(Protocol):
    """Where alerts are kept."""

    def store(self) -> Store: ...
    def commands(self) -> AlertCommands: ...
    def outbox(self) -> Outbox: ...
    def timers(self) -> AlertTimers: ...
    def kept(self) -> Kept: ...
    def filtered(self) -> set[tuple[UUID, str]]: ...
    def close(self) -> None: ...


class MemoryKeeper:
    """The twin."""

    def __init__(self) -> None:
        self.shared = MemoryStore()

    def store(self) -> Store:
        return self.shared

    def commands(self) -> AlertCommands:
        return MemoryAlertCommands(self.shared, render)

    def outbox(self) -> Outbox:
        return MemoryOutbox(self.shared)

    def timers(self) -> AlertTimers:
        return MemoryAlertTimers(self.shared, render)

    def kept(self) -> Kept:
        s = self.shared
        return Kept(
            dict(s.alerts), _by_alert(s.transitions.values()),
            {row.delivery.transition: row.delivery.payload for row in s.outbox.values()},
            {command.id: refused for command, refused in s.commands.values()},
        )  # fmt: skip

    def filtered(self) -> set[tuple[UUID, str]]:
        return set(self.shared.filtered)

    def close(self) -> None:
        pass


class SqlKeeper:
    """A database; every worker and every person opens it anew."""

    def __init__(self, url: str) -> None:
        self.url = url
        upgrade(url)
        self.database = connect(url)
        self._open: list[SqlStore | SqlAlertCommands | SqlAlertTimers | SqlOutbox] = []

    def store(self) -> SqlStore:
        self._open.append(found := open_store(self.url))
        return found

    def commands(self) -> SqlAlertCommands:
        self._open.append(found := open_alert_commands(self.url, render))
        return found

    def outbox(self) -> SqlOutbox:
        self._open.append(found := open_outbox(self.url))
        return found

    def timers(self) -> SqlAlertTimers:
        self._open.append(found := open_alert_timers(self.url, render))
        return found

    def kept(self) -> Kept:
        with self.database.reading() as connection:
            alerts = [alert_rows.alert(row) for row in connection.execute(select(schema.alerts))]
            transitions = [alert_rows.transition(row) for row in connection.execute(select(schema.transitions))]
            outbox = connection.execute(select(schema.outbox)).all()
            commands = connection.execute(select(schema.commands)).all()
        return Kept(
            {alert.id: alert for alert in alerts}, _by_alert(transitions),
            {row.transition: row.payload for row in outbox}, {row.id: row.refused or "" for row in commands},
        )  # fmt: skip

    def filtered(self) -> set[tuple[UUID, str]]:
        with self.database.reading() as connection:
            return {(row.transition, row.channel) for row in connection.execute(select(schema.filtered))}

    def close(self) -> None:
        for each in (*self._open, self.database):
            each.close()


def _by_alert(transitions: Any) -> dict[UUID, list[Transition]]:
    found: dict[UUID, list[Transition]] = {}
    for transition in sorted(transitions, key=lambda transition: transition.number):
        found.setdefault(transition.alert, []).append(transition)
    return found


def statements(store: SqlStore, action: Callable[[], object]) -> list[str]:
    """The statements that an action sends to the database; many rows in one call are one statement."""
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    engine = store._database.backend.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        action()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return sent
