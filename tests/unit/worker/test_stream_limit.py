"""Keys that were never seen make streams up to a bound, and dead letters beyond it; nothing is lost or forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from monitor import bootstrap
from monitor.config.settings import Settings, parse
from monitor.ports.source import Assignments
from monitor.records.batches import TopicPartition
from monitor.records.counters import readings
from monitor.records.streams import StreamIndex
from monitor.sources.faults import TOO_MANY
from monitor.sources.files.source import FileColumns, FileSource
from monitor.sources.memory import ListSource, Record
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import NoModels
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from monitor.worker.stream_limit import StreamLimit
from monitor.worker.streams import Streams

P0 = ("t", 0)
MOST = 10


class AskedStore(MemoryStore):
    """Notes which names it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def known_streams(self, run: str, family: str, names: Sequence[str]) -> set[str]:
        self.asked += names
        return super().known_streams(run, family, names)


def settings(most: int = MOST) -> Settings:
    family: dict[str, Any] = {
        "topic": "t",
        "interval": "1s",
        "recipe": "plain",
        "window": {"length": 4},
        "max_streams": most,
    }
    return parse({"families": {"f": family}})


def record(name: str, at: int) -> Record:
    return name.encode(), json.dumps({"time": 1_700_000_000 + at, "value": at}).encode()


def work(store: MemoryStore, log: Sequence[Record], batch: int = 7, most: int = MOST) -> None:
    """A worker that starts with nothing in memory, until it has read everything."""
    chosen = settings(most)
    pipelines = bootstrap.pipelines(chosen)
    decoders = bootstrap.decoders(chosen, {"f": pipelines["f"].index})
    logs: dict[TopicPartition, Sequence[Record]] = {P0: log}

    def connect(listener: Assignments) -> ListSource:
        return ListSource(logs, decoders, listener, batch=batch)

    Runner(connect, store, pipelines, NoModels(), WorkerOptions(commit_interval=0.0, until_end=True)).run()


def names(store: MemoryStore) -> list[str]:
    return [name for _, _, name in store.streams]


def accepted(store: MemoryStore) -> int:
    return sum(readings(state.counts) for state in store.states.values())


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_streams_beyond_the_bound_are_dead_letters(batch: int) -> None:
    store, log = MemoryStore(), [record(f"m-{at % 25}", at) for at in range(200)]

    work(store, log, batch)

    assert names(store) == [f"m-{at}" for at in range(MOST)]
    assert accepted(store) + len(store.dead) == len(log)
    assert {letter.reason for letter in store.dead.values()} == {TOO_MANY}
    letter = store.dead["live", "t", 0, 10]
    assert (letter.key, letter.body, letter.stream) == (*log[10], "")
    assert letter.error == "the family has 10 streams, as many as max_streams allows; is the key the stream?"
    assert store.positions["live", *P0].next_offset == len(log)


def test_a_poll_that_is_decoded_in_pieces() -> None:
    store = AskedStore()
    log = [(b"m-%d" % at, b'{"time":1700000000,"value":1,"more":"%s"}' % (b" " * 10**6)) for at in range(20)]

    work(store, log, batch=20)

    assert store.asked
    assert names(store) == [f"m-{at}" for at in range(MOST)]
    assert len(store.dead) == 20 - MOST


def test_the_bound_outlives_the_worker() -> None:
    store, log = MemoryStore(), [record(f"m-{at}", at) for at in range(12)]
    work(store, log)
    log += [record(f"m-{at}", 20 + at) for at in (11, 3, 12, 9, 13)]

    work(store, log)

    assert len(names(store)) == MOST
    assert [offset for *_, offset in store.dead] == [10, 11, 12, 14, 16]
    assert accepted(store) == 12


def test_streams_of_other_workers_count_and_those_that_are_forgotten_do_not() -> None:
    store = MemoryStore()
    store.open_streams("live", "f", [f"other-{at}" for at in range(MOST - 2)])
    store.open_streams("live", "g", ["of-another-family"])
    log = [record(f"m-{at}", at) for at in range(4)]
    work(store, log)
    assert [offset for *_, offset in store.dead] == [2, 3]

    del store.streams["live", "f", "other-0"]
    log += [record("m-2", 9), record("m-3", 9), record("m-0", 9)]
    work(store, log)

    assert [offset for *_, offset in store.dead] == [2, 3, 5]
    assert accepted(store) == 4


def test_the_store_is_asked_only_where_there_may_be_no_room() -> None:
    store = AskedStore()
    log = [record(f"m-{at % MOST}", at) for at in range(100)]
    work(store, log, batch=3)
    assert store.asked == []
    work(store, [*log, *log], batch=3)
    assert store.asked == [f"m-{at}" for at in range(MOST)]

    work(store, [*log, *log, record("m-new", 5)])

    assert store.asked[-1] == "m-new"


def test_rows_of_a_file(tmp_path: Path) -> None:
    rows = "".join(f"2026-01-01T00:00:{at:02}Z,{at},m-{at % 5}\n" for at in range(50))
    (tmp_path / "r.csv").write_text(f"when,value,machine\n{rows}")
    columns = FileColumns(values=("value",), time="when", key="machine")
    index = StreamIndex(3)
    poll = FileSource(tmp_path / "r.csv", columns, index).poll(0)

    assert list(index.codes) == ["m-0", "m-1", "m-2"]
    assert len(poll.readings["file"]) == 30
    assert [letter.offset for letter in poll.dead] == [at for at in range(50) if at % 5 > 2]
    assert {letter.reason for letter in poll.dead} == {TOO_MANY}


class AtOnce:
    """A committer that has nothing in flight."""

    def call(self, action: Callable[[], Any], _wait: object) -> Any:
        return action()


def limited(store: MemoryStore, most: int) -> tuple[Streams, StreamIndex]:
    pipeline = bootstrap.pipelines(settings(most))["f"]
    streams = Streams(pipeline)
    StreamLimit(cast("Any", AtOnce()), store, WorkerOptions(), {"f": streams}).refresh()
    return streams, pipeline.index


def test_streams_that_one_poll_names_and_that_have_rows_count_once() -> None:
    """A poll is decoded in pieces: what the first one named is not loaded yet when the next one asks for room."""
    store, stored = MemoryStore(), [f"m-{i}" for i in range(6)]
    store.open_streams("live", "f", stored)
    _, index = limited(store, MOST)
    index.intern(stored)
    new = [f"n-{i}" for i in range(6)]
    assert index.refused(new) == set(new[4:])


def test_names_of_a_poll_that_is_discarded_take_no_room() -> None:
    store = MemoryStore()
    streams, index = limited(store, MOST)
    index.intern([f"m-{i}" for i in range(MOST)])
    streams.drop(None)
    assert index.codes == {}
    assert index.refused([f"n-{i}" for i in range(MOST)]) == set()
