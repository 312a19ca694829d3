"""The worker's loop over the in-memory twins: what it does when SQL is away, and when its partitions are taken."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import structlog

from monitor.config.durations import Span
from monitor.config.families import Family
from monitor.errors import FencedError, StoreError, StreamsChangedError
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.recipes.plain import plain
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.thresholds.rolling import RollingThreshold
from monitor.ports.models import ModelRow
from monitor.ports.source import Assignments
from monitor.ports.store import Commit, OpenedStream, Position
from monitor.records.batches import Poll, TopicPartition
from monitor.records.counters import readings
from monitor.records.streams import StreamIndex
from monitor.records.totals import Totals
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.memory import ListSource, Record
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import DistanceScorer
from monitor.worker import committer
from monitor.worker.options import WorkerOptions
from monitor.worker.pacing import MODEL_CHECK_S
from monitor.worker.runner import Runner
from monitor.worker.withheld_log import WithheldLog
from tests import store_rows
from tests.champions import make_champion

P0, P1 = ("t", 0), ("t", 1)
MODEL = ModelRow(id="0123456789abcdef", family="f", manifest="")
FAMILY = Family.model_validate(
    {
        "topic": "t",
        "interval": "1s",
        "recipe": "plain",
        "window": {"length": 4},
        "align": {"lateness": 0},
        "threshold": {"history": "60s"},
    }
)


def away() -> StoreError:
    return StoreError("SQL is away", transient=True)


class ShakyStore(MemoryStore):
    """Raises the next error scripted for a method, if any."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: dict[str, list[Exception | None]] = {"take": [], "open": [], "commit": []}
        make_champion(self, MODEL)

    def _shake(self, what: str) -> None:
        error = self.errors[what].pop(0) if self.errors[what] else None
        if error is not None:
            raise error

    def take(self, run: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Position]:
        self._shake("take")
        return super().take(run, partitions)

    def open_streams(self, run: str, family: str, names: Sequence[str]) -> list[OpenedStream]:
        self._shake("open")
        return super().open_streams(run, family, names)

    def commit(self, commit: Commit) -> None:
        self._shake("commit")
        super().commit(commit)


class Models:
    """One model for good."""

    holding = False

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        one = np.ones(1, np.float32)
        for pipeline in pipelines.values():
            if not pipeline.model:
                profiles = {f"m-{i}": Profile(one * 0, one, 1.0, 0.2, 50) for i in range(4)}
                pipeline.adopt(MODEL.id, DistanceScorer(), profiles)

    def trains(self, family: str) -> bool:
        return False

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        raise AssertionError("every stream has a profile")


class Source(ListSource):
    """Calls `meanwhile` when it is held, as a group calls its members at any time."""

    meanwhile: Callable[[Source], None] | None = None
    held = 0

    def hold(self, seconds: float) -> None:
        self.held += 1
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act(self)


class Clock:
    """Stands still unless the test moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """Two partitions with a stream each, a store, and workers on them."""

    def __init__(self, readings: int = 40) -> None:
        rng = np.random.default_rng(0)
        self.store = ShakyStore()
        self.sources: list[Source] = []
        self.meanwhile: Callable[[Source], None] | None = None
        self.logs: dict[TopicPartition, list[Record]] = {
            P0: [self._record("m-0", at, rng) for at in range(readings)],
            P1: [self._record("m-1", at, rng) for at in range(readings)],
        }

    @staticmethod
    def _record(name: str, at: int, rng: np.random.Generator) -> Record:
        value = float(rng.normal()) * (20 if 20 <= at < 28 else 1)
        return name.encode(), json.dumps({"time": 1_700_000_000 + at, "value": value}).encode()

    def runner(
        self,
        *,
        patience: float = 0.0,
        interval: float = 0.0,
        partitions: Sequence[TopicPartition] = (P0, P1),
        family: Family = FAMILY,
        clock: Callable[[], float] = time.monotonic,
        max_age: int | None = None,
    ) -> Runner:
        index = StreamIndex()
        pipeline = Pipeline("f", family, index, plain(family, RollingThreshold(3.0, 60 * 10**9)), "live")
        logs = {partition: self.logs[partition] for partition in partitions}

        def connect(listener: Assignments) -> Source:
            source = Source(logs, {"t": ("f", JsonDecoder(family, index))}, listener, batch=7)
            source.meanwhile, self.meanwhile = self.meanwhile, None
            self.sources.append(source)
            return source

        options = WorkerOptions(
            commit_interval=interval, until_end=True, rebalance_timeout=patience, announce=lambda *_: [("log", "{}")],
            max_age=max_age,
        )  # fmt: skip
        return Runner(connect, self.store, {"f": pipeline}, Models(), options, clock)

    def slow_down(self) -> threading.Semaphore:
        """From now on each commit is in flight until the semaphore is released."""
        gate, commit = threading.Semaphore(0), self.store.commit

        def slow(one: Commit) -> None:
            assert gate.acquire(timeout=10)
            commit(one)

        self.store.commit = slow  # type: ignore[method-assign, assignment]
        return gate

    def facts(self) -> dict[str, object]:
        """All that a run leaves behind; ids do not depend on who came first."""
        names = {id_: key[2] for key, id_ in self.store.streams.items()}
        return {
            "scores": {(names[id_], end): s.score.tobytes() for (id_, end), s in self.store.scores.items()},
            "alerts": self.store.alerts,
            "transitions": self.store.transitions,
            "outbox": sorted(str(row.delivery.transition) for row in self.store.outbox.values()),
            "states": {names[id_]: state.state for id_, state in self.store.states.items()},
            "offsets": {key: position.next_offset for key, position in self.store.positions.items()},
        }


@pytest.fixture
def undisturbed() -> dict[str, object]:
    world = World()
    world.runner().run()
    facts = world.facts()
    assert len(world.store.scores) == 2 * 37
    assert len(world.store.transitions) >= 2
    return facts


@pytest.mark.parametrize("what", ["take", "open", "commit"])
def test_sql_is_away_for_a_while(undisturbed: dict[str, object], what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "BACKOFF_S", (0.001,))
    world = World()
    world.store.errors[what] = [away(), away(), away(), None, away()]
    world.runner(patience=5.0).run()
    assert world.facts() == undisturbed
    assert world.sources[0].held == (0 if what == "take" else sum(source.held for source in world.sources))


@pytest.mark.parametrize("what", ["take", "open", "commit"])
def test_errors_that_stay_end_the_worker(what: str) -> None:
    world = World()
    world.store.errors[what] = [StoreError("the disk is full")]
    with pytest.raises(StoreError, match="the disk is full"):
        world.runner().run()
    assert world.store.scores == {}
    assert all(source.closed for source in world.sources)


def test_sql_stays_away_during_an_assignment(undisturbed: dict[str, object]) -> None:
    """The worker does not read from a guess: it leaves, and comes again."""
    world = World()
    world.store.errors["take"] = [away()]
    world.runner(patience=0.0).run()
    assert len(world.sources) == 2
    assert world.facts() == undisturbed


def test_a_fenced_worker_begins_again(undisturbed: dict[str, object]) -> None:
    world = World()
    world.store.errors["commit"] = [None, FencedError("newer owner"), None, FencedError("newer owner")]
    world.runner().run()
    assert len(world.sources) == 3
    assert world.facts() == undisturbed


def test_a_worker_stays_in_its_group_where_people_have_changed_streams(undisturbed: dict[str, object]) -> None:
    world = World()
    world.store.errors["commit"] = [None, StreamsChangedError("expect"), None, StreamsChangedError("retire")]
    totals = world.runner().run()
    assert [source.closed for source in world.sources] == [True]
    assert world.facts() == undisturbed
    assert (totals.records, totals.windows) == (80, 2 * 37)


def test_a_worker_whose_streams_have_changed_while_sql_goes_away_begins_again(undisturbed: dict[str, object]) -> None:
    world = World()
    world.store.errors["commit"] = [StreamsChangedError("expect")]
    world.store.errors["take"] = [None, away()]
    world.runner(patience=0.0).run()
    assert len(world.sources) == 2
    assert world.facts() == undisturbed


def test_what_is_done_again_after_a_step_down_counts_once() -> None:
    world = World()
    world.store.errors["commit"] = [None, FencedError("newer owner"), None, FencedError("newer owner")]
    totals = world.runner().run()
    assert (totals.records, totals.readings, totals.windows) == (80, 80, 2 * 37)
    assert totals.opened == sum(transition.number == 0 for transition in world.store.transitions.values())
    assert totals.commits >= 3


def test_a_stop_whose_last_commit_is_fenced_is_an_error() -> None:
    """What was committed before it counts, and nothing else."""
    world, clock = World(), Clock()
    worker = world.runner(interval=1.0, clock=clock)

    def watch(totals: Totals) -> None:
        clock.now = 2.0  # a commit is due in the second turn; the third begins another one

    def stop() -> bool:
        if worker.totals.records < 3 * 14:
            return False
        world.store.errors["commit"] = [FencedError("newer owner")]
        return True

    with pytest.raises(FencedError, match="another worker has taken over"):
        worker.run(stop, watch)
    assert (worker.totals.records, worker.totals.commits) == (2 * 14, 1)
    assert worker.totals.windows == len(world.store.scores) == 2 * 11
    assert all(source.closed for source in world.sources)


def test_a_stop_in_a_rebalance_that_left_nothing_uncommitted_is_no_error() -> None:
    """The rest of a poll is dropped with its partition; everything that was processed is committed."""
    world = World()
    worker = world.runner(interval=math.inf, clock=Clock())

    def stop() -> bool:
        if worker.totals.records < 20:
            return False
        worker._rest = Poll({})
        world.sources[0].take([P1])
        return True

    totals = worker.run(stop)
    assert totals.windows == len(world.store.scores) > 0


@pytest.mark.parametrize("what", ["open", "commit"])
@pytest.mark.parametrize("action", [Source.take, Source.lose])
def test_partitions_leave_while_sql_is_away(
    undisturbed: dict[str, object], what: str, action: Callable[[Source, Sequence[TopicPartition]], None]
) -> None:
    """What the worker holds of the partition is written once: here, or by the next owner."""
    world = World()
    world.store.errors[what] = [None, away()] if what == "commit" else [away()]

    def meanwhile(source: Source) -> None:
        action(source, [P1])

    world.meanwhile = meanwhile
    world.runner().run()
    world.runner(partitions=[P1]).run()
    assert world.facts() == undisturbed


def test_a_lost_partition_is_never_written_with_a_revoked_one(undisturbed: dict[str, object]) -> None:
    """The two come together; what is pending holds scores of both, and only one of them still has a fence."""
    world = World()
    world.store.errors["commit"] = [None, away()]
    written: list[int] = []

    def meanwhile(source: Source) -> None:
        written.append(len(world.store.scores))
        source.lose([P0])
        source.take([P1])
        written.append(len(world.store.scores))

    world.meanwhile = meanwhile
    world.runner().run()
    assert written[0] == written[1]
    assert world.facts() == undisturbed


def test_settings_that_change_are_a_row() -> None:
    world = World()
    world.runner().run()
    world.runner().run()
    assert len(world.store.settings["live", "f"]) == 1
    changed = FAMILY.model_copy(update={"alerts": FAMILY.alerts.model_copy(update={"open_count": 3})})
    assert world.store.note_settings("live", "f", changed.noted()) == ["alerts.open_count: 2 -> 3"]
    assert len(world.store.settings["live", "f"]) == 2


def test_counters_outlive_a_change_of_settings() -> None:
    """The state of another window length cannot be used; what was counted stays counted."""
    world = World(readings=30)
    world.runner().run()
    world.logs = World(readings=40).logs
    longer = FAMILY.window.model_copy(update={"length": Span(count=6)})
    world.runner(family=FAMILY.model_copy(update={"window": longer})).run()
    assert {readings(state.counts) for state in world.store.states.values()} == {40}
    assert len(world.store.settings["live", "f"]) == 2


def test_two_workers_on_one_stream_do_not_overwrite_each_other() -> None:
    """A producer that spreads a stream over partitions: each reading is still counted once."""
    world = World()
    world.logs[P1] = [(b"m-0", body) for _, body in world.logs[P1]]
    other = world.runner(partitions=[P1])

    def meanwhile(source: Source) -> None:
        world.store.errors["commit"] = []
        other.run()

    world.store.errors["commit"] = [None, away()]
    world.meanwhile = meanwhile
    world.runner(partitions=[P0]).run()
    (state,) = world.store.states.values()
    assert readings(state.counts) == 80
    assert len(world.sources) == 3  # the first worker was fenced once, and began again


def test_reading_goes_on_while_a_commit_is_on_its_way(undisturbed: dict[str, object]) -> None:
    """The first commit is held up until the worker has polled again."""
    world = World()
    polled, commit = threading.Event(), world.store.commit

    def slow(one: Commit) -> None:
        assert polled.wait(10)
        commit(one)

    def watch(totals: Totals) -> None:
        if totals.records > 7:  # the first poll brings 7
            polled.set()

    world.store.commit = slow  # type: ignore[method-assign, assignment]
    world.runner(clock=Clock()).run(watch=watch)
    assert world.facts() == undisturbed


def test_a_commit_grows_while_another_is_on_its_way(undisturbed: dict[str, object]) -> None:
    """However short the interval: the first one takes as long as it takes to read everything else."""
    world = World()
    everything, commit, sizes = threading.Event(), world.store.commit, list[int]()

    def slow(one: Commit) -> None:
        assert everything.wait(10)
        sizes.append(sum(len(block.scores) for block in one.scores))
        commit(one)

    def watch(totals: Totals) -> None:
        if totals.records == 2 * 40:
            everything.set()

    world.store.commit = slow  # type: ignore[method-assign, assignment]
    world.runner(clock=Clock()).run(watch=watch)
    assert len(sizes) == 2
    assert world.facts() == undisturbed


def test_models_are_checked_although_there_is_always_something_to_write(undisturbed: dict[str, object]) -> None:
    """Between two commits, when the store is free, and without waiting for a commit because of it."""
    world, clock = World(), Clock()
    worker = world.runner(interval=math.inf, clock=clock)
    builder, checks, refresh = worker._builder, list[bool](), worker._models.refresh

    def check(pipelines: Mapping[str, Pipeline]) -> None:
        assert not worker._committer.busy
        checks.append(builder.dirty)
        refresh(pipelines)

    def watch(_totals: Totals) -> None:
        clock.now += MODEL_CHECK_S

    worker._models.refresh = check  # type: ignore[method-assign]
    worker.run(watch=watch)
    assert checks.count(True) >= 3
    assert world.facts() == undisturbed


@pytest.mark.parametrize(("caught_up", "most"), [(True, 10**6), (False, 10)])
def test_models_are_checked_although_one_commit_follows_on_another(
    monkeypatch: pytest.MonkeyPatch, caught_up: bool, most: int
) -> None:
    """The store is slower than the interval, or than the readings that fill the next commit."""
    monkeypatch.setattr("monitor.worker.commit_builder.MAX_SIZE", most)
    world, clock = World(readings=200), Clock()
    gate, worker, checks = world.slow_down(), world.runner(clock=clock), list[int]()
    refresh, turn = worker._models.refresh, worker._turn

    def check(pipelines: Mapping[str, Pipeline]) -> None:
        assert not worker._committer.busy
        checks.append(worker.totals.records)
        refresh(pipelines)

    def always(source: Source) -> bool:
        source.poll = lambda timeout: said(ListSource.poll(source, timeout))  # type: ignore[method-assign]
        return turn(source)

    def said(poll: Poll) -> Poll:
        if poll.records:
            return replace(poll, at_end=caught_up)
        gate.release(10)
        return replace(poll, finished=True)

    def watch(_totals: Totals) -> None:
        clock.now += MODEL_CHECK_S
        gate.release()  # whatever is in flight was so for one turn

    worker._models.refresh, worker._turn = check, always  # type: ignore[method-assign, assignment]
    worker.run(watch=watch)
    assert len({records for records in checks if 0 < records < 2 * 200}) > 3


def test_a_commit_holds_the_states_of_its_own_moment(undisturbed: dict[str, object]) -> None:
    """It is written while the streams go on; the worker dies after it, and another one goes on from there."""
    world = World()
    polled, commit = threading.Event(), world.store.commit

    def slow(one: Commit) -> None:
        if polled.is_set():
            raise StoreError("SQL is gone for good")
        assert polled.wait(10)
        commit(one)

    def watch(totals: Totals) -> None:
        if totals.records > 30:
            polled.set()

    world.store.commit = slow  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreError):
        world.runner(interval=0.0).run(watch=watch)
    assert 0 < len(world.store.scores) < 2 * 37
    world.store.commit = commit  # type: ignore[method-assign]
    world.runner().run()
    assert world.facts() == undisturbed


def test_nobody_else_uses_the_store_during_a_commit() -> None:
    """Although streams that nobody knows yet arrive all the time."""
    world = World()
    rng = np.random.default_rng(0)
    world.logs[P0] = [world._record(f"m-{at // 10}", at, rng) for at in range(40)]
    busy = threading.Lock()

    def alone(method: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            assert busy.acquire(blocking=False), "the store is in use"
            try:
                time.sleep(0.005)
                return method(*args)
            finally:
                busy.release()

        return call

    for name in ("commit", "open_streams", "take"):
        setattr(world.store, name, alone(getattr(world.store, name)))
    world.runner(interval=0.0).run()
    assert len(world.store.streams) == 4  # m-1 comes through both partitions


@pytest.mark.parametrize(("held", "value"), [("_rest", Poll({})), ("_loading", True)])
def test_a_partition_that_leaves_with_readings_in_hand_makes_the_worker_begin_again(held: str, value: object) -> None:
    worker = World().runner()
    worker.revoked([P1])
    assert not worker._committer.fenced

    setattr(worker, held, value)
    worker.revoked([P1])
    assert worker._committer.fenced


def test_a_store_that_hangs_keeps_nobody_from_leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that does not come to an end: a rebalance waits as long as it may, and the worker steps down."""
    monkeypatch.setattr(committer, "QUICK_S", 0.01)
    world = World()
    hanging, commit, took = threading.Event(), world.store.commit, list[float]()

    def hang(one: Commit) -> None:
        if not took:
            hanging.wait(10)
        commit(one)

    world.store.commit = hang  # type: ignore[method-assign, assignment]

    def meanwhile(source: Source) -> None:
        began = time.monotonic()
        source.take([P1])
        took.append(time.monotonic() - began)
        hanging.set()

    world.meanwhile = meanwhile
    world.runner(patience=0.1).run()
    assert took[0] < 3
    assert len(world.sources) == 2


def test_a_commit_is_of_bounded_size(undisturbed: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the interval, and however slow the store."""
    monkeypatch.setattr("monitor.worker.commit_builder.MAX_SIZE", 20)
    world = World()
    sizes, commit = list[int](), world.store.commit

    def sized(one: Commit) -> None:
        sizes.append(sum(len(block.scores) for block in one.scores))
        commit(one)

    world.store.commit = sized  # type: ignore[method-assign, assignment]
    gate = world.slow_down()
    world.runner(interval=math.inf, clock=Clock()).run(
        watch=lambda totals: gate.release(1 if totals.records < 80 else 9)
    )
    assert max(sizes) < 20 + 2 * 7  # a poll brings 7 of each partition
    assert sum(sizes) == 2 * 37
    assert world.facts() == undisturbed


def test_a_poll_that_is_too_much_is_taken_in_pieces(undisturbed: dict[str, object]) -> None:
    """Seven readings of each partition make more windows than fit at once."""
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitor.pipeline.family.CELLS", 3 * 4)
        worker = world.runner()
        assert worker._pipelines["f"].most == 3
        worker.run()
    assert world.facts() == undisturbed


def test_progress_is_published_for_other_threads() -> None:
    world = World()
    runner = world.runner()
    seen = []

    runner.run(watch=lambda _: seen.append(dict(runner.progress.owned)))

    assert seen[0].keys() == {P0, P1}
    assert runner.progress.owned == {P0: (1, 40), P1: (1, 40)}
    assert runner.progress.committed is not None
    assert runner.progress.changed.is_set()
    assert runner.progress.idle < 60


def test_partitions_that_are_taken_away_are_no_longer_published() -> None:
    world = World()
    world.meanwhile = lambda source: source.take([P1])
    world.store.errors["commit"] = [away()]
    runner = world.runner(patience=5.0)

    runner.run()

    assert runner.progress.owned == {P0: (1, 40)}


def test_alerts_of_the_past_are_not_announced_and_that_is_said(undisturbed: dict[str, object]) -> None:
    world = World()
    with structlog.testing.capture_logs() as lines:
        totals = world.runner(max_age=3600 * 10**9).run()
    changes = len(world.store.transitions)
    said = [line for line in lines if line["event"] == "notifications_withheld"]
    assert world.store.outbox == {}
    assert totals.withheld == changes >= 2
    assert [line["kind"] for line in said] == ["anomaly"]
    unmarked = {id_: replace(change, withheld="") for id_, change in world.store.transitions.items()}
    assert world.facts() | {"transitions": unmarked, "outbox": None} == undisturbed | {"outbox": None}


def test_what_is_withheld_is_logged_at_most_every_half_minute() -> None:
    clock = Clock()
    noted = WithheldLog(clock)
    with structlog.testing.capture_logs() as lines:
        for clock.now, withheld in ((0.0, {"anomaly": 2}), (1.0, {"anomaly": 3, "silent": 1}), (31.0, {"anomaly": 4})):
            noted.note(withheld)
    assert [(line["kind"], line["changes"]) for line in lines] == [("anomaly", 2), ("silent", 1), ("anomaly", 7)]


def test_alerts_that_are_late_by_a_zone_are_withheld_with_a_word_about_it() -> None:
    """A plant that sends local time, five hours behind: its live alerts look like those of the past."""
    hour, now = 3600 * 10**9, 1_800_000_000 * 10**9
    fact = store_rows.fact(store_rows.alert(), at=now - 5 * hour + 10**9)
    with structlog.testing.capture_logs() as lines:
        WithheldLog(Clock()).note({"anomaly": 1}, [fact], now)
        WithheldLog(Clock()).note({"anomaly": 1}, [replace(fact, at=now - 700 * hour)], now)

    assert "5 h behind the clock: are they local times" in lines[0]["cause"]
    assert [line["stream"] for line in lines] == [fact.stream] * 2
    assert "cause" not in lines[1]
