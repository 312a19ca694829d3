"""Any interleaving of workers and people leaves the rows of a model that does one thing after the other.

Three workers share three partitions of one stream each. They take them from one another, so commits are fenced; they
report facts again that are stored, and commit the same object twice. People give commands, some of them twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from monitor.errors import FencedError, SettingsError
from monitor.ports.alert_commands import AlertCommands
from monitor.ports.store import Commit, Store
from monitor.records.alerts import Alert, Command, CommandKind, Fact, FactKind, Severity, Verdict
from monitor.store import schema
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render
from tests.store_rows import alert, fact

STREAMS = WORKERS = 3
ALERTS = 2  # one after the other, of each stream


def life(stream: int) -> list[Fact]:
    """All facts about a stream, in order: its alerts open, go on, get worse, go on, and clear."""
    found = []
    for i in range(ALERTS):
        begin = 100 + 50 * i
        of = alert(stream=f"m-{stream}", opened_at=begin)
        found.append(fact(of))
        grown = replace(of, last_at=begin + 10, windows=2)
        found.append(fact(grown, FactKind.CONTINUED, begin + 10))
        worse = replace(grown, severity=Severity.CRITICAL, last_at=begin + 20, windows=3, peak_ratio=4.0)
        found.append(fact(worse, FactKind.WORSENED, begin + 20, 4.0))
        longer = replace(worse, last_at=begin + 30, windows=4)
        found += [fact(longer, FactKind.CONTINUED, begin + 30), fact(longer, FactKind.CLEARED, begin + 40, 0.5)]
    return found


LIVES = [life(stream) for stream in range(STREAMS)]
IDS = [alert(stream=f"m-{i % STREAMS}", opened_at=100 + 50 * (i // STREAMS)).id for i in range(STREAMS * ALERTS)]

streams = st.integers(0, STREAMS - 1)
workers = st.integers(0, WORKERS - 1)
steps = st.one_of(
    st.tuples(st.just("take"), workers, streams),
    st.tuples(st.just("report"), workers, streams, st.integers(1, 4), st.integers(0, 3), st.booleans()),
    st.tuples(
        st.just("command"), st.sampled_from(list(CommandKind)), st.sampled_from(IDS), st.integers(1, 40), st.booleans()
    ),
)


@dataclass
class Row:
    """An alert of the model."""

    severity: str
    last_at: int
    peak: float
    windows: int
    resolved_at: int | None = None
    by: str = ""
    shelved: bool = False
    out: bool = False
    transitions: list[tuple[UUID, str, int, str]] = field(default_factory=list)  # id, cause, event time, state
    announced: int = 0

    @property
    def state(self) -> str:
        if self.resolved_at is not None:
            return "resolved"
        hidden = "out-of-service" if self.out else "shelved" if self.shelved else ""
        return hidden or ("acknowledged" if self.by else "open")

    def note(self, id_: UUID, cause: str, at: int, hidden: bool) -> None:
        """A transition; the end of what was announced is announced, too."""
        ends = cause in {"cleared", "close", "expect"} and self.announced > 0
        self.announced += ends or not hidden
        self.transitions.append((id_, cause, at, self.state))


class Model:
    """One thing after the other, in plain dictionaries."""

    def __init__(self) -> None:
        self.owner: dict[int, int | None] = dict.fromkeys(range(STREAMS))
        self.next = dict.fromkeys(range(STREAMS), 0)
        self.rows: dict[UUID, Row] = {}
        self.answers: dict[UUID, bool] = {}  # whether the command was carried out

    def fact(self, seen: Fact) -> None:
        row = self.rows.setdefault(seen.alert, Row("warning", 0, 0.0, 0))
        row.last_at, row.windows = max(row.last_at, seen.last_at), max(row.windows, seen.windows)
        row.peak = max(row.peak, seen.peak_ratio)
        if seen.severity is Severity.CRITICAL:
            row.severity = "critical"
        if seen.kind is FactKind.CONTINUED or any(id_ == seen.id for id_, *_ in row.transitions):
            return
        if seen.kind is FactKind.CLEARED:
            if row.resolved_at is not None:
                row.resolved_at = min(seen.at, row.resolved_at)
                return
            row.resolved_at = seen.at
        row.note(seen.id, str(seen.kind), seen.at, row.shelved or row.out)

    def command(self, given: Command) -> bool | None:
        """Whether it is carried out; None = there is no such alert."""
        row = self.rows.get(given.alert)
        if row is None or given.id in self.answers:
            return None if row is None else self.answers[given.id]
        live = row.resolved_at is None
        fits = {
            "acknowledge": not row.by, "unacknowledge": live and bool(row.by), "note": True, "verdict": True,
            "close": live, "expect": live, "shelve": live, "unshelve": row.shelved,
            "out-of-service": live and not row.out, "in-service": live and row.out,
        }  # fmt: skip
        self.answers[given.id] = fits[given.kind]
        if fits[given.kind]:
            self._carry_out(row, given)
        return self.answers[given.id]

    def _carry_out(self, row: Row, given: Command) -> None:
        at, hidden, kind = max(row.last_at, row.resolved_at or 0), row.shelved or row.out, given.kind
        ends = kind in {CommandKind.CLOSE, CommandKind.EXPECT}
        if kind is CommandKind.ACKNOWLEDGE or (ends and not row.by):
            row.by = given.by
        elif kind is CommandKind.UNACKNOWLEDGE:
            row.by = ""
        if ends:
            row.resolved_at = at
        if kind in {CommandKind.SHELVE, CommandKind.UNSHELVE}:
            row.shelved = kind is CommandKind.SHELVE
        if kind in {CommandKind.OUT_OF_SERVICE, CommandKind.IN_SERVICE}:
            row.out = kind is CommandKind.OUT_OF_SERVICE
        begins = kind in {CommandKind.SHELVE, CommandKind.OUT_OF_SERVICE}
        row.note(given.id, str(kind), at, hidden if begins else row.shelved or row.out)


class World:
    """A keeper, the workers on it, and the model beside."""

    def __init__(self, keeper: AlertKeeper, stores: Sequence[Store], commands: AlertCommands) -> None:
        self.keeper, self.stores, self.commands, self.model = keeper, stores, commands, Model()
        self.given: dict[UUID, Command] = {}
        self.epochs: dict[tuple[int, int], int] = {}  # by worker and stream

    def take(self, worker: int, stream: int) -> None:
        topic = ("plant", stream)
        position = self.stores[worker].take("live", [topic])[topic]
        assert (position.next_offset or 0) == self.model.next[stream]
        self.epochs[worker, stream], self.model.owner[stream] = position.epoch, worker

    def report(self, worker: int, stream: int, count: int, back: int, again: bool) -> None:
        """The next `count` facts, and `back` of those before once more."""
        if (worker, stream) not in self.epochs:
            self.take(worker, stream)
        begin, epoch = self.model.next[stream], self.epochs[worker, stream]
        facts = LIVES[stream][max(0, begin - back) : begin + count]
        end = min(begin + count, len(LIVES[stream]))
        commit = Commit("live", facts=facts, announce=render, positions={("plant", stream): (epoch, end)})
        if self.model.owner[stream] != worker:
            with pytest.raises(FencedError):
                self.stores[worker].commit(commit)
            return
        for _ in range(1 + again):
            self.stores[worker].commit(commit)
        for seen in facts:
            self.model.fact(seen)
        self.model.next[stream] = end

    def command(self, kind: CommandKind, of: UUID, number: int, again: bool) -> None:
        """A number that was used before is the same command once more."""
        id_ = UUID(int=number)
        new = Command(
            id=id_, alert=of, kind=kind, by=f"person {number}", at=number, note=f"note {number}",
            verdict=Verdict.TRUE,
        )  # fmt: skip
        given = self.given.get(id_, new)
        expected = self.model.command(given)
        if expected is None:
            with pytest.raises(SettingsError):
                self.commands.give(given)
            return
        self.given[id_] = given
        for _ in range(1 + again):
            assert (self.commands.give(given).refused == "") == expected

    def check(self) -> None:
        kept = self.keeper.kept()
        found = {id_: _of(row) for id_, row in kept.alerts.items()}
        assert found == {id_: _wanted(row) for id_, row in self.model.rows.items()}
        for id_, row in self.model.rows.items():
            transitions = kept.transitions[id_]
            assert [t.number for t in transitions] == list(range(len(transitions)))
            assert [(t.id, str(t.cause), t.at, str(t.state)) for t in transitions] == row.transitions
            said = [t for t in transitions if not t.withheld]
            assert all(kept.outbox[t.id].startswith(f"{t.number} {t.cause} {t.state} ") for t in said)
            assert len(said) == row.announced
        assert len(kept.outbox) == sum(row.announced for row in self.model.rows.values())
        assert {id_: not refused for id_, refused in kept.commands.items()} == self.model.answers


def _of(row: Alert) -> tuple[Any, ...]:
    numbers = (row.last_at, row.peak_ratio, row.windows, row.resolved_at)
    return (str(row.state), str(row.severity), *numbers, row.acknowledged_by)


def _wanted(row: Row) -> tuple[Any, ...]:
    return (row.state, row.severity, row.last_at, row.peak, row.windows, row.resolved_at, row.by)


def run(keeper: AlertKeeper, stores: Sequence[Store], commands: AlertCommands, script: list[tuple[Any, ...]]) -> None:
    world = World(keeper, stores, commands)
    for name, *arguments in script:
        getattr(world, name)(*arguments)
    world.check()


@settings(max_examples=300)
@given(script=st.lists(steps, max_size=60))
def test_in_memory(script: list[tuple[Any, ...]]) -> None:
    keeper = MemoryKeeper()
    run(keeper, [keeper.store() for _ in range(WORKERS)], keeper.commands(), script)


def on_sql(url: str, examples: int) -> None:
    """One database for all examples, emptied in between."""
    keeper = SqlKeeper(url)
    stores, commands = [keeper.store() for _ in range(WORKERS)], keeper.commands()

    @settings(max_examples=examples)
    @given(script=st.lists(steps, max_size=60))
    def check(script: list[tuple[Any, ...]]) -> None:
        with keeper.database.writing() as connection:
            for table in (schema.alerts, schema.positions):
                connection.execute(delete(table))
        run(keeper, stores, commands, script)

    check()
    keeper.close()


def test_on_sqlite(tmp_path: Path) -> None:
    on_sql(f"sqlite:///{tmp_path}/store.db", 40)


@pytest.mark.postgres
def test_on_postgresql(postgres_url: str) -> None:
    on_sql(postgres_url, 25)
