"""A level that a person expects: from when on, and that no worker goes on without knowing of it.

The verdict takes effect behind the newest reading that is stored. The row of the stream gets another version: a worker
that holds the stream is refused its next commit about it, and meets the verdict when it loads the stream again.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, and_, select

from monitor.ports.alert_commands import Answer
from monitor.records.alerts import Command, CommandKind
from monitor.records.scalars import NEVER
from monitor.store import schema


def dated(connection: Connection, command: Command) -> Command:
    """A verdict with the event time at which it takes effect; locks its stream. Other commands are as they were."""
    if command.kind is not CommandKind.EXPECT or command.effective is not None:
        return command
    a, s = schema.alerts.c, schema.streams.c
    same = and_(s.run == a.run, s.family == a.family, s.name == a.stream)
    query = select(s.last_time).join(schema.alerts, same).where(a.id == command.alert)
    newest = connection.execute(query.with_for_update(of=schema.streams)).scalar()
    return command if newest is None or newest <= NEVER else replace(command, effective=newest)


def mark(connection: Connection, command: Command, answer: Answer | None) -> None:
    """Refuse the next commits about the stream of those who do not know of the verdict that was carried out."""
    if command.kind is not CommandKind.EXPECT or answer is None or answer.refused:
        return
    s, alert = schema.streams.c, answer.alert
    ours = (s.run == alert.run, s.family == alert.family, s.name == alert.stream)
    connection.execute(schema.streams.update().where(*ours).values(version=s.version + 1))
