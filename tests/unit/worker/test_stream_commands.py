"""Streams that are retired or forgotten beside a worker that holds them in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import update

from monitor.errors import FencedError
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.recipes.plain import plain
from monitor.pipeline.thresholds.rolling import RollingThreshold
from monitor.ports.source import Assignments
from monitor.ports.store import silent
from monitor.records.alerts import Command, CommandKind
from monitor.records.batches import TopicPartition
from monitor.records.streams import StreamIndex
from monitor.records.totals import Totals
from monitor.replay.bounded_run import Replay, begin
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.memory import ListSource, Record
from monitor.store import schema
from monitor.store.alert_commands import open_alert_commands
from monitor.store.engine import connect
from monitor.store.queries import open_reader
from monitor.store.sql import SqlStore, open_store
from monitor.store.stream_commands import LATELY, Person, open_stream_commands
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.champions import make_champion
from tests.unit.worker.test_idle_detection import Worker
from tests.unit.worker.test_runner import FAMILY, MODEL, P0, Models

ANN = Person("ann")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/s.db"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with closing(open_store(url)) as made:
        make_champion(made, MODEL)
        yield made


def record(name: str, at: int, value: float = 1.0) -> Record:
    return name.encode(), json.dumps({"time": 1_700_000_000 + at, "value": value}).encode()


class Live:
    """A worker on one partition; `then` are called one after the other, each when everything was read and committed."""

    def __init__(self, store: SqlStore, then: Sequence[Callable[[], None]] = ()) -> None:
        self.store, self.then = store, list(then)
        self.sources: list[ListSource] = []
        self.logs: dict[TopicPartition, list[Record]] = {P0: []}

    def send(self, begin: int, end: int, *names: str, value: float = 1.0) -> None:
        self.logs[P0] += [record(name, at, value) for at in range(begin, end) for name in names]

    def run(self) -> None:
        index = StreamIndex()
        pipeline = Pipeline("f", FAMILY, index, plain(FAMILY, RollingThreshold(3.0, 60 * 10**9)), "live")

        def link(listener: Assignments) -> ListSource:
            self.sources.append(ListSource(self.logs, {"t": ("f", JsonDecoder(FAMILY, index))}, listener, batch=50))
            return self.sources[-1]

        def watch(_: Totals) -> None:
            if self._read() and self.then:
                self.then.pop(0)()

        options = WorkerOptions(commit_interval=0, live=False)
        runner = Runner(link, self.store, {"f": pipeline}, Models(), options)
        runner.run(lambda: not self.then and self._read(), watch)

    def _read(self) -> bool:
        return bool(self.sources) and self.sources[-1].committed.get(P0) == len(self.logs[P0])


def alerts(url: str, stream: str) -> list[tuple[str, int]]:
    """State, and second of the opening, of a stream's alerts."""
    with closing(open_reader(url)) as reader:
        found = sorted(reader.list_alerts("live", stream=stream), key=lambda alert: alert.opened_at)
        return [(alert.state.value, alert.opened_at // 10**9 - 1_700_000_000) for alert in found]


def counted(url: str) -> dict[str, tuple[int, int]]:
    """Readings and scores of each stream."""
    with closing(open_reader(url)) as reader:
        return {
            report.name: (report.counts["accepted"], len(reader.scores_of("live", "f", report.name)))
            for report in reader.stream_reports("live", retired=True)
        }


def give(url: str, command: str, *names: str) -> None:
    with closing(open_stream_commands(url, silent)) as commands:
        getattr(commands, command)(*names, None, ANN)


def test_a_stream_that_is_retired_beside_a_worker_comes_back_with_new_alerts(store: SqlStore, url: str) -> None:
    def comes_back() -> None:
        give(url, "retire", "m-0")
        assert alerts(url, "m-0") == [("resolved", 31)]
        live.send(40, 50, "m-0", "m-1")
        live.send(50, 54, "m-0", value=30.0)

    live = Live(store, [lambda: None, comes_back])
    live.send(0, 30, "m-0", "m-1")
    live.send(30, 34, "m-0", value=30.0)
    live.run()
    assert len(live.sources) == 1  # it stayed in its group
    (first, second) = alerts(url, "m-0")
    assert (first, second[0]) == (("resolved", 31), "open")
    assert second[1] > 40
    assert counted(url)["m-0"] == (48, 31 + 11)
    assert counted(url)["m-1"][0] == 40
    with closing(open_reader(url)) as reader:
        assert [report.retired for report in reader.stream_reports("live")] == [None, None]


def test_a_stream_that_is_forgotten_beside_a_worker_begins_anew_when_it_sends(store: SqlStore, url: str) -> None:
    def forgotten() -> None:
        give(url, "retire", "m-0")
        with closing(connect(url)) as database, database.writing() as connection:
            s = schema.streams.c
            connection.execute(update(schema.streams).values(updated=s.updated - LATELY))
        give(url, "forget", "m-0")
        assert counted(url).keys() == {"m-1"}
        live.send(30, 40, "m-1")

    live = Live(store, [forgotten, lambda: live.send(100, 110, "m-0")])
    live.send(0, 30, "m-0", "m-1")
    live.run()
    assert len(live.sources) == 1
    assert counted(url) == {"m-0": (10, 7), "m-1": (40, 37)}


def test_a_retired_stream_is_not_called_silent_until_it_has_sent_again(store: SqlStore, url: str) -> None:
    first = Worker(store)
    first.arrive(100, "a", "b")
    give(url, "retire", "a")
    first.arrive(150, "b")
    with pytest.raises(FencedError):  # the worker that holds it would say so: it steps down
        first.proofs(100, 165)
    second = Worker(store)
    assert second.proofs(165, 200) == []
    assert second.proofs(200, 230) == ["silent b"]
    second.arrive(240, "a", "b")
    assert second.proofs(240, 290) == []
    second.arrive(295, "b")
    assert second.proofs(295, 310) == ["silent a"]


def test_a_gateway_alert_whose_stream_is_retired_ends_with_the_next_reading(store: SqlStore, url: str) -> None:
    first = Worker(store)
    first.arrive(100, "a", "b", "c")
    assert first.proofs(100, 165) == ["gateway "]
    assert alerts(url, "")[0][0] == "open"
    give(url, "retire", "a")  # its state holds the alert
    second = Worker(store)
    assert second.proofs(165, 200) == []
    second.arrive(210, "b")
    assert alerts(url, "")[0][0] == "resolved"
    assert second.proofs(210, 275) == ["silent b", "silent c"]


def expect(url: str) -> None:
    """Ann expects the level of the alert that is open."""
    with closing(open_reader(url)) as reader:
        (found,) = reader.list_alerts("live", stream="m-0")
    command = Command(id=uuid4(), alert=found.id, kind=CommandKind.EXPECT, by="ann", at=1, note="new pump")
    with closing(open_alert_commands(url, silent)) as commands:
        assert commands.give(command).refused == ""


def test_a_level_that_is_expected_beside_a_worker_is_learned_and_met_by_a_replay(store: SqlStore, url: str) -> None:
    """The worker reads on in its group; the step goes on, and neither it nor a replay opens another alert."""

    def goes_on() -> None:
        expect(url)
        live.send(60, 120, "m-0", "m-1", value=5.0)

    live = Live(store, [goes_on])
    live.send(0, 30, "m-0", "m-1")
    live.send(30, 60, "m-0", value=5.0)
    live.send(30, 60, "m-1")
    live.run()
    assert len(live.sources) == 1
    assert alerts(url, "m-0") == [("resolved", 31)]
    assert [state for state, _ in alerts(url, "m-1")] == ["open"]  # of this stream no level is expected
    with closing(open_reader(url)) as reader:
        (expected,) = reader.list_alerts("live", stream="m-0")
        changes = [(str(t.cause), t.actor) for t in reader.get_alert(str(expected.id)).transitions]
        assert changes[-1] == ("expect", "ann")
        assert (expected.resolved_at or 0) // 10**9 - 1_700_000_000 == 59

    index = StreamIndex()
    replayed = Pipeline("f", FAMILY, index, plain(FAMILY, RollingThreshold(3.0, 60 * 10**9)), "again")
    sources: list[ListSource] = []

    def connect_(_: Mapping[str, Pipeline], listener: Assignments) -> ListSource:
        sources.append(ListSource(live.logs, {"t": ("f", JsonDecoder(FAMILY, index))}, listener, batch=7))
        return sources[-1]

    begin(Replay("again", connect_), store, {"f": replayed}, Models())
    options = WorkerOptions(run="again", commit_interval=0, live=False, until_end=True)
    Runner(lambda listener: connect_({}, listener), store, {"f": replayed}, Models(), options).run()
    with closing(open_reader(url)) as reader:
        again = {alert.stream: alert for alert in reader.list_alerts("again")}
        assert (again["m-0"].opened_at, again["m-0"].resolved_at) == (expected.opened_at, expected.resolved_at)
        last = reader.get_alert(str(again["m-0"].id)).transitions[-1]
        assert (str(last.cause), last.note) == ("cleared", "expected by ann: new pump")
        for name in ("m-0", "m-1"):
            live_scores, replayed_scores = (reader.scores_of(run, "f", name) for run in ("live", "again"))
            assert live_scores.limit.tobytes() == replayed_scores.limit.tobytes()
            assert live_scores.ratio.tobytes() == replayed_scores.ratio.tobytes()
