"""What every store does alike: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, func, select

from monitor.config.families import Family
from monitor.errors import FencedError, StoreError
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.recipe import MOST_RATIO, MOST_SCORE
from monitor.pipeline.scoring.recipes.plain import plain
from monitor.pipeline.thresholds.static import StaticThreshold
from monitor.ports.models import ModelRow
from monitor.ports.store import Commit, HistoryBlock, Position, Store
from monitor.records.alerts import FactKind
from monitor.records.batches import DeadLetter, Gap, Readings, Scores, State
from monitor.records.counters import COUNTERS
from monitor.records.late import LATE_KEPT, Late, LateBlock, LateReading
from monitor.records.score_summaries import SPAN, Policy, Rollup, roll_up
from monitor.records.streams import StreamIndex
from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.memory import MemoryStore
from monitor.store.migrations import upgrade
from monitor.store.queries import open_reader
from monitor.store.sql import SqlStore, open_store
from monitor.worker.commit_builder import CommitBuilder
from tests.champions import make_champion
from tests.store_rows import SECOND, TOPIC, alert, block, counts, fact, full, scores, state


class Memory:
    """The twin: workers share the object."""

    def __init__(self) -> None:
        self.shared = MemoryStore()

    def store(self) -> Store:
        return self.shared

    def counts(self) -> dict[str, int]:
        s = self.shared
        return {
            "scores": len(s.scores), "alerts": len(s.alerts), "transitions": len(s.transitions),
            "evidence": len(s.evidence), "outbox": len(s.outbox), "dead_letters": len(s.dead),
        }  # fmt: skip

    def close(self) -> None:
        pass


class Sql:
    """A database; every worker opens its own store."""

    def __init__(self, url: str) -> None:
        self.url = url
        upgrade(url)
        self._open: list[SqlStore] = []
        self._database = connect(url)

    def store(self) -> Store:
        store = open_store(self.url)
        self._open.append(store)
        return store

    def counts(self) -> dict[str, int]:
        names = ("scores", "alerts", "transitions", "evidence", "outbox", "dead_letters")
        with self._database.reading() as connection:
            return {
                name: connection.execute(select(func.count()).select_from(schema.metadata.tables[name])).scalar_one()
                for name in names
            }

    def reading(self) -> AbstractContextManager[Connection]:
        return self._database.reading()

    def close(self) -> None:
        self._database.close()
        for user in self._open:
            user.close()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory | Sql]:
    if request.param == "memory":
        found: Memory | Sql = Memory()
    elif request.param == "sqlite":
        found = Sql(f"sqlite:///{tmp_path}/store.db")
    else:
        found = Sql(request.getfixturevalue("postgres_url"))
    yield found
    found.close()


def ready(store: Store, run: str = "live") -> tuple[int, Position]:
    """A stream's id and the position of its partition, taken."""
    return store.open_streams(run, "machines", ["m-1"])[0].id, store.take(run, [TOPIC])[TOPIC]


def opened(store: Store, epoch: int, opened_at: int = 100, offset: int = 42) -> Commit:
    return full(store.open_streams("live", "machines", ["m-1"])[0], epoch, opened_at=opened_at, offset=offset)


def test_streams_are_counted_and_known_by_run_and_family(keeper: Memory | Sql) -> None:
    store = keeper.store()
    store.open_streams("live", "f", ["m-1", "m-2", "M-1"])
    store.open_streams("live", "g", ["m-3"])
    store.open_streams("again", "f", ["m-4"])

    assert [store.count_streams("live", family) for family in ("f", "g", "h")] == [3, 1, 0]
    assert store.known_streams("live", "f", ["m-1", "m-3", "m-4", "M-1", *map(str, range(12_000))]) == {"m-1", "M-1"}
    assert store.known_streams("live", "f", []) == set()


def test_commit_is_visible_and_resumed_from(keeper: Memory | Sql) -> None:
    store = keeper.store()
    _, position = ready(store)
    assert position == Position(1, None)
    store.commit(opened(store, 1))
    ones = {"scores": 1, "alerts": 1, "transitions": 1, "evidence": 1, "outbox": 1, "dead_letters": 0}
    assert keeper.counts() == ones
    later = keeper.store()
    assert later.take("live", [TOPIC]) == {TOPIC: Position(2, 42)}
    assert later.open_streams("live", "machines", ["m-1"])[0].state == b"saved"


def test_what_is_unreadable_is_saved_with_a_partition_and_kept_until_it_changes(keeper: Memory | Sql) -> None:
    store = keeper.store()
    ready(store)
    store.commit(Commit("live", positions={TOPIC: (1, 5)}, unreadable={TOPIC: '{"a": 1}'}))
    store.commit(Commit("live", positions={TOPIC: (1, 9)}))
    assert keeper.store().take("live", [TOPIC]) == {TOPIC: Position(2, 9, '{"a": 1}')}
    with pytest.raises(FencedError):
        store.commit(Commit("live", positions={TOPIC: (1, 11)}, unreadable={TOPIC: "fenced"}))
    assert keeper.store().take("live", [TOPIC]) == {TOPIC: Position(3, 9, '{"a": 1}')}


def test_nothing_is_visible_of_a_commit_that_fails_and_it_can_be_tried_again(keeper: Memory | Sql) -> None:
    store = keeper.store()
    stream, _ = ready(store)
    store.commit(Commit(run="live", scores=[block(stream, scores([200]))], positions={TOPIC: (1, 10)}))
    commit = opened(store, 1)
    twice = block(stream, scores([200]))
    commit.scores.append(twice)
    with pytest.raises(StoreError):
        store.commit(commit)
    assert keeper.counts() == {
        "scores": 1, "alerts": 0, "transitions": 0, "evidence": 0, "outbox": 0, "dead_letters": 0,
    }  # fmt: skip
    assert keeper.store().open_streams("live", "machines", ["m-1"])[0].state is None
    commit.scores.remove(twice)
    store.commit(commit)
    assert keeper.counts()["scores"] == 2
    assert store.take("live", [TOPIC])[TOPIC] == Position(2, 42)


def test_a_newer_owner_fences_the_older_one(keeper: Memory | Sql) -> None:
    old, new = keeper.store(), keeper.store()
    ready(old)
    old.commit(opened(old, 1))
    assert new.take("live", [TOPIC])[TOPIC] == Position(2, 42)
    with pytest.raises(FencedError, match=r"plant \[0\]"):
        old.commit(opened(old, 1, opened_at=300, offset=99))
    assert keeper.counts()["scores"] == keeper.counts()["alerts"] == 1
    new.commit(opened(new, 2, opened_at=300, offset=99))
    assert new.take("live", [TOPIC])[TOPIC] == Position(3, 99)


def test_one_stale_partition_refuses_the_whole_commit(keeper: Memory | Sql) -> None:
    store = keeper.store()
    both = [("plant", 0), ("plant", 1)]
    store.take("live", both)
    store.take("live", both[1:])
    with pytest.raises(FencedError):
        store.commit(Commit(run="live", positions={both[0]: (1, 7), both[1]: (1, 7)}))
    assert store.take("live", both[:1])[both[0]] == Position(2, None)


def test_a_partition_never_taken_is_refused(keeper: Memory | Sql) -> None:
    with pytest.raises(FencedError):
        keeper.store().commit(Commit(run="live", positions={("plant", 9): (1, 7)}))


def test_a_partition_without_an_offset_has_its_fence_and_stays_without(keeper: Memory | Sql) -> None:
    store = keeper.store()
    ready(store)
    store.commit(Commit(run="live", facts=[fact(alert(), FactKind.CONTINUED)], unread={TOPIC: 1}))
    assert store.take("live", [TOPIC])[TOPIC] == Position(2, None)
    with pytest.raises(FencedError):
        store.commit(Commit(run="live", facts=[fact(alert())], unread={TOPIC: 1}))
    assert (keeper.counts()["alerts"], keeper.counts()["transitions"]) == (1, 0)
    store.commit(Commit(run="live", positions={TOPIC: (2, 7)}))
    assert store.take("live", [TOPIC])[TOPIC] == Position(3, 7)


def test_concurrent_takers_get_different_epochs(keeper: Memory | Sql) -> None:
    stores = [keeper.store() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda store: store.take("live", [TOPIC])[TOPIC].epoch, stores))
    assert sorted(taken) == list(range(1, 9))


def test_runs_are_apart(keeper: Memory | Sql) -> None:
    store = keeper.store()
    live, _ = ready(store)
    replay, position = ready(store, "again")
    assert live != replay
    assert position == Position(1, None)


def test_streams_keep_order_names_and_ids(keeper: Memory | Sql) -> None:
    store = keeper.store()
    names = ["m-1", "Ünïcode ☃ 😀", "'; DROP TABLE streams; --", "a\nb", "", "m-1", "日本"]
    first = store.open_streams("live", "machines", names)
    assert len({stream.id for stream in first}) == 6
    assert first[0] == first[5]
    again = store.open_streams("live", "machines", names[::-1])
    assert again == first[::-1]
    assert store.open_streams("live", "machines", []) == []


def test_an_empty_commit_does_nothing(keeper: Memory | Sql) -> None:
    store = keeper.store()
    store.commit(Commit(run="live"))
    stream, _ = ready(store)
    store.commit(Commit(run="live", scores=[block(stream, scores([]))], positions={TOPIC: (1, 1)}))
    assert set(keeper.counts().values()) == {0}


def test_dead_letters_are_kept_once(keeper: Memory | Sql) -> None:
    store = keeper.store()
    letter = DeadLetter(
        topic="plant", partition=0, offset=3, reason="json", error="bad \x00 byte \udcff", body=b"\x00{"
    )
    store.commit(Commit(run="live", dead=[letter, replace(letter, offset=4, body=None)]))
    store.commit(Commit(run="live", dead=[letter]))
    store.commit(Commit(run="again", dead=[letter]))
    assert keeper.counts()["dead_letters"] == 3


def test_history_comes_back_in_order_to_the_bit(keeper: Memory | Sql) -> None:
    store = keeper.store()
    b, a = (stream.id for stream in store.open_streams("live", "machines", ["b", "a"]))
    other = store.open_streams("live", "others", ["a"])[0].id
    values = np.array([[1.1, np.nan], [np.inf, -0.0], [3.0, 4.0]], np.float32)
    late, early = np.array([5, 6, 7], np.int64) * SECOND, np.array([1, 2, 3], np.int64) * SECOND
    store.commit(Commit(run="live", history=[HistoryBlock(b, early, values), HistoryBlock(a, late, values)]))
    store.commit(Commit(run="live", history=[HistoryBlock(a, early, values * 2), HistoryBlock(other, early, values)]))
    kept = list(store.history("live", "machines"))
    assert [(name, kept_.id, int(kept_.time[0])) for name, kept_ in kept] == [
        ("a", a, SECOND), ("a", a, 5 * SECOND), ("b", b, SECOND),
    ]  # fmt: skip
    assert kept[0][1].values.tobytes() == (values * 2).tobytes()
    assert kept[0][1].time.tolist() == early.tolist()
    store.drop_history([a, other])
    assert [name for name, _ in store.history("live", "machines")] == ["b"]


def test_every_block_of_a_large_commit_is_kept(keeper: Memory | Sql) -> None:
    store = keeper.store()
    streams = store.open_streams("live", "machines", [f"{number:04}" for number in range(3161)])
    given = [
        HistoryBlock(stream.id, np.arange(1 + i % 4) * SECOND, np.full((1 + i % 4, 1 + i % 2), i, np.float32))
        for i, stream in enumerate(streams)
    ]
    store.commit(Commit(run="live", history=given))
    kept = [kept_ for _, kept_ in store.history("live", "machines")]
    for was, is_ in zip(given, kept, strict=True):
        assert (was.id, was.time.tolist()) == (is_.id, is_.time.tolist())
        assert (was.values.shape, was.values.tobytes()) == (is_.values.shape, is_.values.tobytes())


def test_packed_history_is_one_block_of_the_oldest_readings(keeper: Memory | Sql) -> None:
    store = keeper.store()
    a, b = (stream.id for stream in store.open_streams("live", "machines", ["a", "b"]))
    even, odd = np.arange(6, dtype=np.int64) * SECOND, np.array([1, 2, 5, 6, 8, 9], np.int64) * SECOND
    values = (np.arange(12).reshape(6, 2) / 3).astype(np.float32)
    for part in (slice(4, 6), slice(0, 1), slice(1, 4)):
        pieces = [HistoryBlock(id_, time[part], values[part]) for id_, time in ((a, even), (b, odd))]
        store.commit(Commit(run="live", history=pieces))
    store.pack_history([a, b], 5)
    store.pack_history([a, b], 5)  # nothing is left to do
    kept = list(store.history("live", "machines"))
    assert [(name, block_.id) for name, block_ in kept] == [("a", a), ("b", b)]
    assert [block_.time.tolist() for _, block_ in kept] == [even[:5].tolist(), odd[:5].tolist()]
    assert all(block_.values.tobytes() == values[:5].tobytes() for _, block_ in kept)


def test_blocks_that_come_after_packing_are_kept_behind_it(keeper: Memory | Sql) -> None:
    store = keeper.store()
    stream = store.open_streams("live", "machines", ["a"])[0].id
    for second in range(4):
        time = np.array([second], np.int64)
        store.commit(Commit(run="live", history=[HistoryBlock(stream, time, np.ones((1, 1), np.float32))]))
        if second == 2:
            store.pack_history([stream], 10)
    assert [block_.time.tolist() for _, block_ in store.history("live", "machines")] == [[0, 1, 2], [3]]


def test_the_store_works_while_history_is_read(keeper: Memory | Sql) -> None:
    store = keeper.store()
    stream, _ = ready(store)
    piece = HistoryBlock(stream, np.array([1], np.int64), np.ones((1, 1), np.float32))
    store.commit(Commit(run="live", history=[piece]))
    reading = store.history("live", "machines")
    next(reading)
    store.commit(opened(store, 1))
    assert list(reading) == []


def test_scores_name_a_recorded_model(keeper: Memory | Sql) -> None:
    store = keeper.store()
    stream, _ = ready(store)
    commit = Commit(run="live", scores=[block(stream, scores([1]), "c" * 64)], positions={TOPIC: (1, 1)})
    with pytest.raises(StoreError, match="not in the registry"):
        store.commit(commit)
    make_champion(store, ModelRow(id="c" * 64, family="machines", manifest="{}"))
    store.commit(commit)
    assert keeper.counts()["scores"] == 1


def test_a_replay_name_is_used_once_unless_replaced(keeper: Memory | Sql) -> None:
    store = keeper.store()
    for run in ("live", "again"):
        stream, position = ready(store, run)
        letter = DeadLetter(topic="plant", partition=0, offset=3, reason="json", error="bad")
        piece = HistoryBlock(stream, np.array([1], np.int64), np.ones((1, 1), np.float32))
        filled = full(store.open_streams(run, "machines", ["m-1"])[0], position.epoch, run=run)
        filled.dead.append(letter)
        filled.history.append(piece)
        store.commit(filled)
    store.start_run("new")
    with pytest.raises(StoreError, match="--replace"):
        store.start_run("again")
    assert set(keeper.counts().values()) == {2}
    store.start_run("again", replace=True)
    assert set(keeper.counts().values()) == {1}
    assert ready(store, "again")[1] == Position(1, None)
    assert list(store.history("again", "machines")) == []
    with pytest.raises(StoreError):
        store.start_run("live", replace=True)
    assert set(keeper.counts().values()) == {1}


def test_states_are_overwritten(keeper: Memory | Sql) -> None:
    store = keeper.store()
    ids = [stream.id for stream in store.open_streams("live", "machines", ["a", "b"])]
    store.commit(Commit(run="live", streams=[state(ids[0], b"\x00one"), state(ids[1], b"")]))
    store.commit(Commit(run="live", streams=[state(ids[0], b"\xff" * 5000)]))
    again = store.open_streams("live", "machines", ["a", "b"])
    assert [stream.state for stream in again] == [b"\xff" * 5000, b""]


def test_close_twice(keeper: Memory | Sql) -> None:
    store = keeper.store()
    store.close()
    store.close()


def test_the_largest_scores_and_ratios_are_kept(keeper: Memory | Sql) -> None:
    store = keeper.store()
    stream, _ = ready(store)
    largest = replace(scores([1], score=float(MOST_SCORE), limit=1.0), ratio=np.array([MOST_RATIO], np.float32))
    store.commit(Commit(run="live", scores=[block(stream, largest)], positions={TOPIC: (1, 1)}))
    assert keeper.counts()["scores"] == 1
    if isinstance(keeper, Sql):
        with keeper.reading() as connection:
            row = connection.execute(select(schema.scores.c.score, schema.scores.c.ratio)).one()
        assert (np.float32(row.score), np.float32(row.ratio)) == (MOST_SCORE, MOST_RATIO)


def test_a_block_may_mix_known_and_unknown_limits(keeper: Memory | Sql) -> None:
    store = keeper.store()
    stream, _ = ready(store)
    warming, warm = scores([1, 2], limit=np.nan), scores([3])
    mixed = Scores(*(np.concatenate([getattr(warming, n), getattr(warm, n)]) for n in Scores.__slots__))
    store.commit(Commit(run="live", scores=[block(stream, mixed)], positions={TOPIC: (1, 1)}))
    assert keeper.counts()["scores"] == 3


def test_a_stream_that_another_worker_wrote_is_not_overwritten(keeper: Memory | Sql) -> None:
    store = keeper.store()
    stream = store.open_streams("live", "machines", ["m-1"])[0]
    assert stream.counts == counts()
    store.commit(Commit("live", streams=[state(stream.id, b"one")._replace(before=0)]))
    with pytest.raises(FencedError, match="written by another worker"):
        store.commit(Commit("live", streams=[state(stream.id, b"two")._replace(before=0)]))
    again = store.open_streams("live", "machines", ["m-1"])[0]
    assert (again.state, again.counts) == (b"one", counts(accepted=4, late=3, duplicate=2, future=1))
    store.commit(Commit("live", streams=[state(stream.id, b"three")._replace(before=10)]))
    assert store.open_streams("live", "machines", ["m-1"])[0].state == b"three"


def test_many_streams_are_saved_all_or_none(keeper: Memory | Sql) -> None:
    """As many as are saved by one statement, and some more; then one of them was written by somebody else."""
    store = keeper.store()
    names = [f"m-{i}" for i in range(1030)]
    opened = store.open_streams("live", "machines", names)
    saved = [state(stream.id, name.encode())._replace(before=0) for stream, name in zip(opened, names, strict=True)]
    store.commit(Commit("live", streams=saved))
    assert [stream.state for stream in store.open_streams("live", "machines", names)] == [n.encode() for n in names]

    again = [one._replace(before=10, state=b"again") for one in saved]
    again[50] = again[50]._replace(before=9)
    with pytest.raises(FencedError):
        store.commit(Commit("live", streams=again))
    assert store.open_streams("live", "machines", names)[0].state == b"m-0"


def test_what_is_known_of_streams(keeper: Memory | Sql) -> None:
    store = keeper.store()
    one, two, _ = store.open_streams("live", "machines", ["m-1", "m-2", "m-3"])
    counted = tuple(range(3, 3 + len(COUNTERS)))
    more: dict[str, Any] = {"training_readings": 9, "has_model": False, "rate": 0.5}
    rows = [
        state(one.id, b"one")._replace(counts=counted, **more),
        state(two.id, b"two")._replace(partition=5, has_model=True),
    ]
    store.commit(Commit("live", streams=rows))

    assert store.open_streams("live", "machines", ["m-1"])[0].counts == counted
    names = [store.stream_names("live", "machines", partition) for partition in (0, 5, 6)]
    assert names == [["m-1"], ["m-2"], []]
    assert store.stream_names("live", "pumps", 0) == store.stream_names("again", "machines", 0) == []
    if isinstance(keeper, Sql):
        reader = open_reader(keeper.url)
        report, other, _ = reader.stream_reports("live")
        assert {name: getattr(report, name) for name in more} == more
        assert report.counts == dict(zip(COUNTERS, counted, strict=True))
        assert (other.training_readings, other.has_model) == (0, True)
        reader.close()


def test_settings_are_kept_where_they_change(keeper: Memory | Sql) -> None:
    store = keeper.store()
    assert store.note_settings("live", "machines", '{"a": 1, "b": {"c": [2]}}') == []
    assert store.note_settings("live", "machines", '{"b": {"c": [2]}, "a": 1}') == []
    assert store.note_settings("live", "pumps", '{"a": 5}') == []
    changed = store.note_settings("live", "machines", '{"a": 1, "b": {"c": [3], "d": "x"}}')
    assert changed == ["b.c: [2] -> [3]", 'b.d: nothing -> "x"']
    assert keeper.store().note_settings("live", "machines", '{"a": 1, "b": {"c": [3], "d": "x"}}') == []


def test_gaps_are_kept(keeper: Memory | Sql) -> None:
    store = keeper.store()
    epoch = store.take("live", [TOPIC])[TOPIC].epoch
    gap = Gap(topic=TOPIC[0], partition=TOPIC[1], start=5, end=9, reason="deleted")
    store.commit(Commit("live", gaps=[gap], positions={TOPIC: (epoch, 9)}))
    if isinstance(keeper, Memory):
        assert keeper.shared.gaps == [("live", gap)]
        return
    with keeper._database.reading() as connection:
        (row,) = connection.execute(select(schema.gaps)).mappings()
    assert {name: row[name] for name in ("run", "topic", "partition", "start", "end", "reason")} == {
        "run": "live", "topic": TOPIC[0], "partition": TOPIC[1], "start": 5, "end": 9, "reason": "deleted",
    }  # fmt: skip


def late(count: int, first: int = 0, family: str = "machines") -> LateBlock:
    """Readings that came too late, one per second and ten seconds behind."""
    number = np.arange(first, first + count)
    values = np.stack([number.astype(np.float32), np.full(count, np.nan, np.float32)], axis=1)
    none = np.zeros(count, np.int32)
    readings = Readings(none, number * SECOND, values, none + TOPIC[1], number + 100)
    return LateBlock(family, ["m-1"] * count, Late(readings, np.full(count, 10 * SECOND)))


def kept_late(keeper: Memory | Sql, run: str = "live", family: str = "machines") -> list[LateReading]:
    """What the ledger holds, in order of arrival."""
    if isinstance(keeper, Memory):
        return keeper.shared.late.get((run, family), [])
    reader = open_reader(keeper.url)
    found = reader.list_late(run, family=family)[::-1]
    reader.close()
    names = LateReading.__dataclass_fields__
    return [LateReading(**{name: getattr(row, name) for name in names}) for row in found]


def test_late_readings_are_kept_in_order_of_arrival(keeper: Memory | Sql) -> None:
    store = keeper.store()
    _, position = ready(store)
    store.commit(
        Commit("live", late=[late(2), late(1, 5), late(3, 0, "pumps")], positions={TOPIC: (position.epoch, 9)})
    )
    store.commit(Commit("live", late=[late(1, 2)]))

    rows = kept_late(keeper)
    assert [(row.time // SECOND, row.offset) for row in rows] == [(0, 100), (1, 101), (5, 105), (2, 102)]
    assert {(row.stream, row.behind, row.partition) for row in rows} == {("m-1", 10 * SECOND, TOPIC[1])}
    assert rows[2].values[0] == 5.0
    assert np.isnan(rows[2].values[1])
    assert len(kept_late(keeper, family="pumps")) == 3
    store.take("again", [TOPIC])
    store.commit(Commit("again", late=[late(1)]))
    store.start_run("again", replace=True)
    assert kept_late(keeper, "again") == []
    assert len(kept_late(keeper)) == 4


def test_the_late_ledger_is_capped(keeper: Memory | Sql) -> None:
    store = keeper.store()
    ready(store)
    store.commit(Commit("live", late=[late(LATE_KEPT - 1), late(1, 0, "pumps")]))
    store.commit(Commit("live", late=[late(4, LATE_KEPT)]))
    times = [row.time // SECOND for row in kept_late(keeper)]
    assert len(times) == LATE_KEPT
    assert (times[0], times[-1]) == (3, LATE_KEPT + 3)
    store.commit(Commit("live", late=[late(LATE_KEPT + 5)]))
    assert [row.time // SECOND for row in kept_late(keeper)] == list(range(5, LATE_KEPT + 5))
    assert len(kept_late(keeper, family="pumps")) == 1


def test_nothing_is_kept_of_late_readings_when_a_commit_fails(keeper: Memory | Sql) -> None:
    store = keeper.store()
    _, position = ready(store)
    with pytest.raises(FencedError):
        store.commit(Commit("live", late=[late(1)], positions={TOPIC: (position.epoch + 1, 9)}))
    assert kept_late(keeper) == []


def test_summaries_of_scores_are_added_up(keeper: Memory | Sql) -> None:
    store = keeper.store()
    stream, position = ready(store)
    ids = np.full(3, stream, np.int64)
    first, unjudged = scores([SECOND, 2 * SECOND, SPAN], score=3.0), scores([3 * SECOND] * 3, score=np.nan)
    for part, offset in ((first, 1), (unjudged, 2), (scores([4 * SECOND, 2 * SPAN, 2 * SPAN]), 3)):
        commit = Commit("live", rollup=roll_up([(ids, part)]), positions={TOPIC: (position.epoch, offset)})
        store.commit(commit)
    wanted = [(stream, 0, 6, 3, 2, 3.5, 1.5), (stream, SPAN, 1, 1, 1, 1.5, 1.5), (stream, 2 * SPAN, 2, 2, 0, 1.0, 0.5)]
    assert kept_rollups(keeper) == wanted
    store.start_run("again")
    assert kept_rollups(keeper) == wanted


def kept_rollups(keeper: Memory | Sql) -> list[tuple[float, ...]]:
    if isinstance(keeper, Memory):
        return sorted((*key, *numbers) for key, numbers in keeper.shared.rollups.items())
    reader = open_reader(keeper.url)
    found = reader.rollups_of("live", "machines", "m-1")
    reader.close()
    return list(zip(*(getattr(found, name).tolist() for name in Rollup.__slots__), strict=True))


@pytest.mark.parametrize(("policy", "rows", "summed"), [("all", 4, 0), ("anomalies", 1, 0), ("rollup", 1, 4)])
def test_which_scores_get_a_row(policy: Policy, rows: int, summed: int) -> None:
    """The worker asks for rows as the policy says; what it counts does not depend on it."""
    index = StreamIndex()
    family = Family.model_validate({"topic": TOPIC[0], "interval": "1s", "recipe": "plain", "window": {"length": 4}})
    pending = CommitBuilder(
        "live", lambda *_: [], {"f": Pipeline("f", family, index, plain(family, StaticThreshold(3.0)), "live")}, policy
    )
    pending.streams["f"].ids = np.array([7])
    found = scores([SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND])
    found.state[1] = State.ANOMALY
    pending.add("f", Outcome(found))
    commit = pending.build()
    assert sum(len(block.scores) for block in commit.scores) == rows
    assert (0 if commit.rollup is None else int(commit.rollup.windows.sum())) == summed
    assert pending.totals.windows == 4
