"""Who is called silent by a worker: only streams of partitions that are proven to be read to their end."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.overrides import Override
from monitor.ports.store import Store, silent
from monitor.records.alerts import AlertState
from monitor.records.batches import Poll, TopicPartition
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.memory import ListSource, Record
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import NoModels
from monitor.worker.commit_builder import CommitBuilder
from monitor.worker.idle_detection import IdleDetector
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner

P0, P1 = ("t", 0), ("t", 1)
S = 10**9
FAMILY = Family.model_validate(
    {
        "topic": "t",
        "interval": "1s",
        "recipe": "plain",
        "window": {"length": 4},
        "health": {"silent_after": "60s", "unscored_after": "none"},
        "format": {"time_unit": "s"},
    }
)


class Worker:
    """A worker without a loop: the test says when what arrives, and which ends are proven when."""

    def __init__(self, store: Store, partitions: Mapping[TopicPartition, int] | None = None) -> None:
        self.store = store
        self.pipeline = bootstrap.pipeline("f", FAMILY)
        self.decoder = JsonDecoder(FAMILY, self.pipeline.index)
        self.builder = CommitBuilder("live", silent, {"f": self.pipeline})
        self.idle_detector = IdleDetector(self.builder, store, "live")
        self.builder.partitions.assign(store.take("live", list(partitions or {P0: 0, P1: 0})))

    def arrive(self, second: int, *names: str, partition: TopicPartition = P0) -> None:
        logs: dict[TopicPartition, list[Record]] = {
            partition: [(name.encode(), json.dumps({"time": second, "value": 1}).encode()) for name in names]
        }
        poll = ListSource(logs, {"t": ("f", self.decoder)}).poll(0)
        streams = self.builder.streams["f"]
        if streams.has_unloaded(poll.readings["f"]):
            streams.load(poll.readings["f"], self.store, "live")
        poll = Poll(poll.readings, positions={partition: second}, records=poll.records)
        self.builder.process(poll, second * S)
        self.commit()

    def proof(self, second: float, *partitions: TopicPartition) -> list[str]:
        """What comes to be known when the source proves to be at these ends."""
        self.idle_detector.check({p: int(second * S) for p in partitions or (P0, P1)}, lambda action: action())
        found = self.builder.build().facts
        self.commit()
        return [f"{fact.alert_kind} {fact.stream}" for fact in found]

    def proofs(self, first: int, last: int, *partitions: TopicPartition) -> list[str]:
        """One each second."""
        return [news for second in range(first, last) for news in self.proof(second, *partitions)]

    def commit(self) -> None:
        if self.builder.dirty:
            self.store.commit(self.builder.build())
            self.builder.reset()


def test_a_silent_stream_among_others() -> None:
    store = MemoryStore()
    worker = Worker(store)
    worker.arrive(100, "a", "b")
    worker.arrive(150, "b")
    assert worker.proofs(100, 160) == []
    assert worker.proofs(160, 170) == ["silent a"]
    (alert,) = store.alerts.values()
    assert (alert.opened_at, alert.started_at, alert.state) == (160 * S, 100 * S, AlertState.OPEN)


def test_lag_and_a_broker_that_is_away_are_not_silence() -> None:
    """No proof for ten minutes, then proofs again: whatever was held up has the whole time to come."""
    worker = Worker(MemoryStore())
    worker.arrive(100, "a", "b")
    assert worker.proofs(100, 120) == []
    assert worker.proofs(720, 779) == []
    worker.arrive(779, "a")
    assert worker.proofs(779, 790) == ["silent b"]


def test_a_clock_that_jumps_makes_nobody_silent() -> None:
    worker = Worker(MemoryStore())
    worker.arrive(100, "a", "b")
    assert worker.proofs(100, 110) + worker.proof(4000) + worker.proofs(50, 60) == []


def test_one_partition_says_nothing_of_another() -> None:
    worker = Worker(MemoryStore())
    worker.arrive(100, "a", "b", "c")
    worker.arrive(100, "d", partition=P1)
    assert worker.proofs(100, 170, P0) == ["silent a", "silent b", "silent c"]  # nobody knows whether d is quiet
    assert worker.proofs(100, 170, P1) == ["silent d"]


def test_streams_that_were_silent_before_the_worker_came() -> None:
    store = MemoryStore()
    first = Worker(store)
    first.arrive(100, "a", "b")
    second = Worker(store)
    second.arrive(1000, "b")
    assert second.proofs(1000, 1060) == []
    second.arrive(1055, "b")
    assert second.proofs(1060, 1065) == ["silent a"]
    third = Worker(store)
    third.arrive(2000, "b")
    assert third.proofs(2000, 2070) == ["silent b"]  # and a is silent already
    third.arrive(2100, "a")
    kinds = sorted((alert.stream, str(alert.state)) for alert in store.alerts.values())
    assert kinds == [("a", "resolved"), ("b", "open")]


def test_an_alert_meets_the_fence_although_no_record_was_read() -> None:
    store = MemoryStore()
    old = Worker(store)
    old.arrive(100, "a")
    assert old.proofs(100, 150) == []
    new = Worker(store)
    assert new.proofs(150, 211) == ["silent a"]
    with pytest.raises(Exception, match="newer owner"):
        old.proofs(150, 170)
    assert len(store.alerts) == 1


def test_what_was_asked_before_a_rebalance_is_forgotten() -> None:
    worker = Worker(MemoryStore())
    worker.arrive(100, "a")
    assert worker.proofs(100, 150) == []
    worker.builder.drop([P0])
    assert worker.proofs(150, 170) == []
    worker.builder.partitions.assign(worker.store.take("live", [P0]))
    assert worker.proofs(170, 230) == []
    assert worker.proofs(230, 232) == ["silent a"]


def states(store: MemoryStore) -> list[tuple[str, str, str]]:
    return sorted((alert.kind, alert.stream, str(alert.state)) for alert in store.alerts.values())


def silent_family(store: MemoryStore) -> Worker:
    """A gateway alert is open: a and b on one partition, c on the other."""
    worker = Worker(store)
    worker.arrive(100, "a", "b")
    worker.arrive(100, "c", partition=P1)
    assert worker.proofs(100, 165) == ["gateway "]
    return worker


@pytest.mark.parametrize(
    ("back", "silent"), [(("a", "b"), {"c"}), (("c",), {"a", "b"}), ((), {"a", "b", "c"}), (("a", "b", "c"), set())]
)
@pytest.mark.parametrize("taken_from_it", [False, True])
def test_a_gateway_alert_whose_family_is_split(back: tuple[str, ...], silent: set[str], taken_from_it: bool) -> None:
    """The partitions go to two workers, or to one more: whoever stays silent is said to be so, and only those."""
    store = MemoryStore()
    one = silent_family(store)
    two = Worker(store, {P1: 0})
    if taken_from_it:
        one.builder.drop([P1])
    else:
        one = Worker(store, {P0: 0})
    for second in range(200, 400):
        for worker, partition in ((one, P0), (two, P1)):
            names = [name for name in back if (name == "c") == (partition == P1)]
            if names and second % 10 == 0:
                worker.arrive(second, *names, partition=partition)
            worker.proof(second, partition)
    assert states(store) == [("gateway", "", "resolved"), *(("silent", name, "open") for name in sorted(silent))]


def test_a_gateway_alert_stands_when_the_family_stays_together() -> None:
    """Also where the ends of its partitions are not reached at the same time."""
    store = MemoryStore()
    silent_family(store)
    later = Worker(store)
    assert later.proofs(200, 205, P0) + later.proofs(205, 400) == []
    assert states(store) == [("gateway", "", "open")]
    later.arrive(400, "c", partition=P1)
    assert later.proofs(400, 450) == []
    later.arrive(450, "c", partition=P1)
    assert later.proofs(450, 470) == ["silent a", "silent b"]
    assert states(store)[0] == ("gateway", "", "resolved")


def test_a_silent_stream_that_joins_a_gateway_alert_is_covered_by_it() -> None:
    store = MemoryStore()
    there = Worker(store, {P0: 0})
    there.arrive(100, "a", "b", "c")
    Worker(store, {P1: 0}).arrive(100, "d", partition=P1)
    assert there.proofs(100, 165, P0) == ["gateway "]
    there.builder.partitions.assign(store.take("live", [P1]))
    assert there.proofs(165, 300) == []


def test_a_clock_that_is_set_back_silences_no_silence() -> None:
    worker = Worker(MemoryStore())
    worker.arrive(86_500, "a", "b")
    assert worker.proofs(86_500, 86_510) == []
    worker.arrive(101, "b")
    found = []
    for second in range(101, 200):
        if second % 20 == 0:
            worker.arrive(second, "b")
        found += [(second, news) for news in worker.proof(second)]
    assert found == [(161, "silent a")]


def test_what_arrives_after_the_proof_was_asked_for_counts_from_when_it_arrived() -> None:
    worker = Worker(MemoryStore())
    worker.arrive(100, "a", "b")
    assert worker.proofs(100, 105) == []
    worker.arrive(110, "a", "b")
    assert worker.proofs(105, 170) == []
    assert worker.proofs(170, 175) == ["silent a", "silent b"]


def test_an_alert_of_a_partition_without_an_offset_is_committed_behind_the_fence() -> None:
    store = MemoryStore()
    Worker(store).arrive(100, "a")
    store.positions.clear()  # as the guarantees advise after a topic was made anew
    old = Worker(store)
    assert old.proofs(200, 240) == []
    new = Worker(store)
    assert new.proofs(200, 265) == ["silent a"]
    assert states(store) == [("silent", "a", "open")]
    assert store.positions["live", *P0].next_offset is None
    assert store.positions["live", *P0].epoch == 2
    with pytest.raises(Exception, match="newer owner"):
        old.proofs(240, 265)
    new.arrive(300, "a")
    assert states(store) == [("silent", "a", "resolved")]
    assert store.positions["live", *P0].next_offset == 300


@pytest.mark.parametrize(
    ("options", "found"),
    [(WorkerOptions(), 1), (WorkerOptions(until_end=True), 0), (WorkerOptions(run="past", live=False), 0)],
)
def test_only_the_live_worker_looks(options: WorkerOptions, found: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is at its end for two minutes; the clock on the wall goes faster here."""
    now = [1000 * S]
    monkeypatch.setattr("time.time_ns", lambda: now[0])
    body = json.dumps({"time": 1000, "value": 1}).encode()
    pipeline, store = bootstrap.pipeline("f", FAMILY, options.run), MemoryStore()
    source = ListSource({P0: [(b"a", body)]}, {"t": ("f", JsonDecoder(FAMILY, pipeline.index))})

    def stop() -> bool:
        now[0] += S
        return now[0] > 1130 * S

    def connect(listener: object) -> ListSource:
        source._listener = listener  # type: ignore[assignment]
        return source

    Runner(connect, store, {"f": pipeline}, NoModels(), options).run(stop)
    assert [alert.kind for alert in store.alerts.values()] == ["silent"] * found


def test_streams_that_are_switched_off_are_looked_at_first_and_their_alerts_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    before = Worker(store)
    before.arrive(100, "a", "b")
    before.arrive(160, "b")
    assert before.proofs(100, 170) == ["silent a"]
    changed = FAMILY.model_copy(update={"overrides": (Override(streams="a", off=True),)})
    monkeypatch.setattr("tests.unit.worker.test_idle_detection.FAMILY", changed)
    after = Worker(store)
    assert after.proof(200) == ["silent a"]  # its end
    assert [alert.state for alert in store.alerts.values()] == [AlertState.RESOLVED]
    assert {t.note for t in store.transitions.values()} == {"", "switched off in the settings"}
    assert after.proofs(201, 300) == ["silent b"]
