"""Two workers, two people and a clock: whatever they do, memory and SQLite keep the same, and no state is impossible.

Steps happen in any order. Workers report the life of alerts of two streams, facts of the past again; people give every
command, some twice, about alerts that are there, or over; the clock goes on, and either of two processes looks at what
is due, or none does for hours.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import delete, select

from monitor.alerts.states import LONGEST_SHELF, settled
from monitor.alerts.timers import due_at
from monitor.ports.alert_commands import AlertCommands
from monitor.ports.alert_timers import AlertTimers
from monitor.ports.store import Commit, Store
from monitor.records.alerts import Alert, AlertState, Command, CommandKind, FactKind, Severity, TimerRules, Verdict
from monitor.store import schema
from tests.alert_keepers import Kept, MemoryKeeper, SqlKeeper, render
from tests.store_rows import alert, fact

MINUTE = 60 * 10**9
START = 1_700_000_000 * 10**9
RULES = {"machines": TimerRules(escalate_after=40 * MINUTE, repeat_every=15 * MINUTE)}
STREAMS = ("m-1", "m-2")
PEOPLE = ("ann", "bob")
FACTS = [FactKind.CONTINUED, FactKind.WORSENED, FactKind.CLEARED, FactKind.CLEARED]
COMMANDS = [*CommandKind, *[CommandKind.SHELVE] * 3]
WHOLE = {AlertState.RESOLVED, AlertState.OUT_OF_SERVICE}


def comparable(kept: Kept) -> tuple[Any, ...]:
    """NaN is equal to NaN; who is first of two changes of one moment is as it was stored."""
    return (kept.alerts, {id_: [str(t) for t in some] for id_, some in kept.transitions.items()}, kept.outbox,
            kept.commands)  # fmt: skip


class Life(RuleBasedStateMachine):
    """Everything is done to both stores."""

    sql: SqlKeeper
    stores: Sequence[Store]
    people: Sequence[AlertCommands]
    timers: Sequence[AlertTimers]
    folder: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def database(cls) -> SqlKeeper:
        """One for all examples: to make it takes longer than to use it."""
        if cls.folder is None:
            cls.folder = tempfile.TemporaryDirectory()
            cls.sql = SqlKeeper(f"sqlite:///{Path(cls.folder.name)}/store.db")
            cls.stores = [cls.sql.store() for _ in range(2)]
            cls.people = [cls.sql.commands() for _ in PEOPLE]
            cls.timers = [cls.sql.timers() for _ in range(2)]
        return cls.sql

    @initialize()
    def empty(self) -> None:
        with self.database().database.writing() as connection:
            for table in (schema.alerts, schema.suppressions):
                connection.execute(delete(table))
        self.memory = MemoryKeeper()
        self.now, self.given, self.refused = START, 0, 0
        self.open: dict[str, Alert] = {}  # by stream, as its worker knows it
        self.known: list[Alert] = []

    def commit(self, worker: int, *facts: Any) -> None:
        for store in (self.memory.store(), self.stores[worker]):
            store.commit(Commit("live", facts=list(facts), announce=render, rules=RULES))

    @rule(worker=st.integers(0, 1), stream=st.sampled_from(STREAMS), flaps=st.sampled_from([0, 0, 20]))
    def open_one(self, worker: int, stream: str, flaps: int) -> None:
        if stream not in self.open:
            self.now += 1
            self.open[stream] = of = alert(stream=stream, opened_at=self.now)
            self.known.append(of)
            until = self.now + flaps * MINUTE if flaps else None
            self.commit(worker, replace(fact(of), flapping_until=until, reason="it flaps" if flaps else ""))

    @precondition(lambda self: self.open)
    @rule(worker=st.integers(0, 1), pick=st.integers(0, 1), kind=st.sampled_from(FACTS))
    def go_on(self, worker: int, pick: int, kind: FactKind) -> None:
        stream = sorted(self.open)[pick % len(self.open)]
        self.now += 1
        worse = Severity.CRITICAL if kind is FactKind.WORSENED else self.open[stream].severity
        of = replace(self.open[stream], last_at=self.now, severity=worse)
        self.open[stream] = of
        self.commit(worker, fact(of, kind, self.now))
        if kind is FactKind.CLEARED:
            del self.open[stream]

    @precondition(lambda self: self.known)
    @rule(worker=st.integers(0, 1), pick=st.integers(0, 20))
    def repeat(self, worker: int, pick: int) -> None:
        """What is stored comes once more: nothing changes but timers that were due."""
        self.commit(worker, fact(self.known[pick % len(self.known)]))

    @precondition(lambda self: self.known)
    @rule(
        person=st.integers(0, 1), pick=st.integers(0, 3), kind=st.sampled_from(COMMANDS),
        span=st.sampled_from([None, 10, 60, 60, 8 * 24 * 60]), again=st.booleans(),
    )  # fmt: skip
    def command(self, person: int, pick: int, kind: CommandKind, span: int | None, again: bool) -> None:
        self.given += 1
        command = Command(
            id=UUID(int=self.given), alert=self.known[-1 - pick % len(self.known)].id, kind=kind, by=PEOPLE[person],
            at=self.now, note="why", span=None if span is None else span * MINUTE, verdict=Verdict.TRUE,
        )  # fmt: skip
        for _ in range(1 + again):
            one, other = self.memory.commands().give(command), self.people[person].give(command)
            assert one == other
        self.refused += one.refused != ""

    @rule(minutes=st.sampled_from([1, 7, 20, 300]), keeper=st.sampled_from([0, 1, None]))
    def pass_time(self, minutes: int, keeper: int | None) -> None:
        self.now += minutes * MINUTE
        if keeper is not None:
            assert self.memory.timers().elapse(self.now) == self.timers[keeper].elapse(self.now)
            kept = self.memory.kept().alerts.values()
            assert not any((due := due_at(row)) is not None and due <= self.now for row in kept)
            assert self.timers[1 - keeper].elapse(self.now) == 0

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "memory"):
            return
        kept = self.memory.kept()
        assert comparable(kept) == comparable(self.sql.kept())
        carried_out = 0
        for id_, row in kept.alerts.items():
            life = kept.transitions[id_]
            assert [t.number for t in life] == list(range(len(life)))
            assert life[-1].state is row.state is settled(row).state
            carried_out += sum(isinstance(t.cause, CommandKind) for t in life)
            assert all((t.id in kept.outbox) == (not t.withheld) for t in life)
            assert (row.repeat_at is not None) == (row.state is AlertState.OPEN and row.flapping_until is None)
            assert row.state in WHOLE or row.shelved_until is None or row.shelved_until <= self.now + LONGEST_SHELF
        assert len(kept.commands) == self.given == carried_out + self.refused
        with self.sql.database.reading() as connection:
            rows = connection.execute(select(schema.alerts.c.id, schema.alerts.c.due_at)).all()
            due = {row.id: row.due_at for row in rows}
        assert due == {id_: due_at(row) for id_, row in kept.alerts.items()}


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
