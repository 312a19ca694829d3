"""Commands of people as rows: merged with the stored alert in one transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from monitor.alerts.lifecycle import Answered, merge
from monitor.alerts.notifications import notifications_of
from monitor.alerts.withholding import Withholding
from monitor.errors import SettingsError
from monitor.ports.alert_commands import Answer
from monitor.ports.store import Announce
from monitor.records.alerts import Command, CommandKind, Decision, Verdict
from monitor.store import alert_rows, expected_levels, schema, suppressions, withheld
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.text import storable


def open_alert_commands(url: str, announce: Announce) -> SqlAlertCommands:
    """Open the store at `url` for commands, with separate connections. Raises StoreError."""
    return SqlAlertCommands(open_database(url), announce)


class SqlAlertCommands:
    """`AlertCommands` over a `Database`. `announce` gives the notifications of each transition."""

    def __init__(self, database: Database, announce: Announce) -> None:
        self._database, self._announce = database, announce
        self._store = database.identity

    def give(self, command: Command) -> Answer:
        """Merge a command with the stored alert; see `AlertCommands`."""
        command = replace(command, by=storable(command.by), note=storable(command.note))
        with self._database.writing() as connection:
            queue(connection)
            command = expected_levels.dated(connection, command)
            answer = carry_out(connection, command, self._announce, self._store)
            expected_levels.mark(connection, command, answer)
        if answer is None:
            raise SettingsError(f"{self._database.label}: there is no alert {command.alert}")
        return answer

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def carry_out(connection: Connection, command: Command, announce: Announce, store: UUID) -> Answer | None:
    """Merge a command with the stored alert in a transaction that has its turn (`queue`); None = there is no alert."""
    stored = alert_rows.locked(connection, [command.alert]).get(command.alert)
    if stored is None:
        return None
    c = schema.commands.c
    earlier = connection.execute(select(c.refused).where(c.id == command.id)).one_or_none()
    if earlier is not None:
        return Answer(stored, earlier.refused or "")
    recorded = alert_rows.recorded(connection, [stored.id]).get(stored.id)
    merged = merge(stored, commands=[command], recorded=recorded)
    if merged.changes:
        alert_rows.follow_to_the_end(connection, [merged])
        held = withheld.kept(connection, [stored.id])
        withholding = Withholding.of_command(merged, held[stored.id]) if held else None
        if withholding is not None:
            withholding.apply(held, ())
        changes = alert_rows.written(connection, [merged])
        if withholding is not None:
            withheld.save(connection, stored.run, withholding.kept)
        alert_rows.notify(connection, notifications_of(changes, announce, (), store), time.time_ns())
    (answered,) = merged.commands
    keep(connection, merged.commands)
    suppressions.follow(connection, merged.alert, answered)
    return Answer(merged.alert, answered.refused)


def decisions(connection: Connection, run: str, family: str, since: int) -> list[Decision]:
    """Commands about a family's alerts that were carried out behind position `since`, in that order."""
    a, c = schema.alerts.c, schema.commands.c
    query = (
        select(schema.commands, a.family, a.stream, a.kind.label("alert_kind"), a.channel, a.opened_at)
        .join(schema.alerts, a.id == c.alert)
        .where(a.run == run, a.family == family, c.position > since, c.refused.is_(None))
        .order_by(c.position)
    )
    return [
        Decision(
            position=row.position,
            command=command(row), family=row.family, stream=row.stream, alert_kind=row.alert_kind, channel=row.channel,
            opened_at=row.opened_at,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def command(row: Any) -> Command:
    """A row of `commands`."""
    return Command(
        id=row.id, alert=row.alert, kind=CommandKind(row.kind), by=row.by, at=row.at,
        effective=row.effective, note=row.note, span=row.span,
        verdict=None if row.verdict is None else Verdict(row.verdict), start=row.start, end=row.end,
    )  # fmt: skip


def keep(connection: Connection, answered: Sequence[Answered]) -> None:
    """Write commands, carried out or refused, in a transaction that has its turn."""
    if answered:
        first = _next(connection)
        rows = [_row(each, first + place) for place, each in enumerate(answered)]
        connection.execute(schema.commands.insert(), rows)


def queue(connection: Connection) -> None:
    """One command at a time: positions become visible in their order. SQLite has one writer anyway.

    Whatever else locks commands and alerts does this first, so that no two transactions wait for each other.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE commands IN SHARE ROW EXCLUSIVE MODE")


def _next(connection: Connection) -> int:
    """A position behind all others, by the clock also behind those that went with a deleted run."""
    newest = connection.execute(select(func.coalesce(func.max(schema.commands.c.position), 0))).scalar_one()
    return max(int(newest) + 1, time.time_ns())


def _row(answered: Answered, position: int) -> dict[str, UUID | str | int | None]:
    command = answered.command
    return {
        "position": position, "id": command.id, "alert": command.alert, "kind": command.kind.value, "by": command.by,
        "at": command.at, "effective": command.effective, "note": command.note, "refused": answered.refused or None,
        "span": command.span, "verdict": command.verdict and command.verdict.value, "start": command.start,
        "end": command.end,
    }  # fmt: skip
