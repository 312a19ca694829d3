"""Maintenance in a worker: over a real database and a real receiver, and what reaches it while it runs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import structlog

from monitor.bootstrap.channels import alert_keeper
from monitor.config.families import Family
from monitor.config.notifiers import WebhookNotifier
from monitor.config.settings import parse
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.payload import payload
from monitor.notify.webhook import Webhook
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.recipes.plain import plain
from monitor.pipeline.thresholds.rolling import RollingThreshold
from monitor.ports.store import Commit, Store
from monitor.records.alerts import Alert, Evidence, TimerRules, Transition
from monitor.records.batches import State
from monitor.records.maintenance import Maintenance, Muted
from monitor.records.streams import StreamIndex
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.memory import ListSource, Record
from monitor.store.memory import MemoryStore
from monitor.store.outbox import open_outbox
from monitor.store.queries import AlertDetail, open_reader
from monitor.store.sql import open_store
from monitor.testing.in_memory import NoModels
from monitor.testing.webhook_receiver import Receiver
from monitor.worker.maintenance import LOOK_S, Upkeep
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.champions import make_champion
from tests.store_rows import alert, fact
from tests.unit.worker import test_idle_detection
from tests.unit.worker.test_runner import FAMILY, MODEL, Models

SECRET = "whsec_" + "QUJD" * 12
BEGIN = 1_700_000_000  # s, of the readings
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (a wall-clock time)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def within(first: int, last: int, **more: object) -> Maintenance:
    """Over these seconds of the readings."""
    start, end = (EPOCH + timedelta(seconds=BEGIN + at) for at in (first, last))
    return Maintenance(name="weekly", start=start, end=end, **more)  # type: ignore[arg-type]


def announce(change: Transition, about: Alert, evidence: Evidence | None, store: object) -> list[tuple[str, str]]:
    return [("ops", payload(about, change, evidence, store))]  # type: ignore[arg-type]


def records(bursts: Sequence[range], count: int = 120) -> list[Record]:
    rng = np.random.default_rng(0)
    scale = [20 if any(at in burst for burst in bursts) else 1 for at in range(count)]
    return [
        (b"m-0", json.dumps({"time": BEGIN + at, "value": float(rng.normal()) * scale[at]}).encode())
        for at in range(count)
    ]


def run(store: Store, log: list[Record], *of: Maintenance, batch: int = 7, run_name: str = "live") -> Runner:
    """A worker that reads this to its end."""
    index = StreamIndex()
    pipeline = Pipeline("f", FAMILY, index, plain(FAMILY, RollingThreshold(3.0, 60 * 10**9)), run_name)
    upkeep = Upkeep(Models(), store.maintenance, of, announces=True)
    options = WorkerOptions(
        run=run_name, live=False, until_end=True, commit_interval=0.0, announce=announce, upkeep=upkeep
    )
    made = Runner(
        lambda listener: ListSource({("t", 0): log}, {"t": ("f", JsonDecoder(FAMILY, index))}, listener, batch=batch),
        store, {"f": pipeline}, upkeep, options,
    )  # fmt: skip
    made.run()
    return made


def posted(url: str, expected: int) -> list[str]:
    """What a real receiver gets, by type; waits for as many as are expected, and for no more to come."""
    outbox = open_outbox(url)
    with Receiver(SECRET) as receiver:
        to = WebhookNotifier(kind="webhook", url=receiver.url, secret_env=("S",), allow_hosts=("127.0.0.1",))
        dispatcher = Dispatcher(outbox, {"ops": Webhook(to, {"S": SECRET})})
        dispatcher.start()
        deadline = time.monotonic() + 30
        while (len(receiver.received) < expected or outbox.backlog().queues) and time.monotonic() < deadline:
            time.sleep(0.02)
        dispatcher.stop()
        received = [str(post.message["type"]) for post in receiver.received]
    outbox.close()
    return received


def details(url: str, run_name: str = "live") -> list[AlertDetail]:
    reader = open_reader(url)
    found = [reader.get_alert(each.id.hex) for each in reader.list_alerts(run_name)][::-1]
    reader.close()
    return found


def causes(url: str, run_name: str = "live") -> list[list[tuple[str, int, str]]]:
    """Of each alert: what happened, when (s of the readings), and why it was withheld."""
    return [
        [(str(change.cause), change.at // 10**9 - BEGIN, change.withheld) for change in each.transitions]
        for each in details(url, run_name)
    ]


def test_nothing_is_delivered_within_and_nothing_is_lost_from_the_record(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path}/a.db", records([range(30, 38), range(80, 88)])
    store = open_store(url)
    make_champion(store, MODEL)
    free = f"sqlite:///{tmp_path}/b.db"
    other = open_store(free)
    make_champion(other, MODEL)

    made = run(store, log, within(20, 60, learn=True))
    run(other, log)

    inside, after = causes(url)
    assert [[change[:2] for change in life] for life in (inside, after)] == [
        [change[:2] for change in life] for life in causes(free)
    ]
    assert {why for _, _, why in inside} == {"maintenance weekly"}
    assert {why for _, _, why in after} == {""}
    assert all(each.evidence is not None for each in details(url))
    assert made.totals.withheld == len(inside)
    types = {"opened": "alert.opened", "worsened": "alert.worsened", "cleared": "alert.resolved"}
    assert posted(url, len(after)) == [types[cause] for cause, _, _ in after]
    store.close()
    other.close()


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_an_alert_that_outlives_it_is_announced_once_with_its_evidence(tmp_path: Path, batch: int) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    store = open_store(url)
    make_champion(store, MODEL)

    run(store, records([range(30, 70)]), within(20, 50), batch=batch)

    (life,) = causes(url)
    assert life[0][::2] == ("opened", "maintenance weekly")
    assert life[-1][::2] == ("cleared", "")
    sent = posted(url, 2)
    assert (sent[0], sent[-1]) == ("alert.opened", "alert.resolved")
    assert sent.count("alert.opened") == 1
    store.close()


def test_a_replay_with_the_same_maintenance_gives_the_same_transitions(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path}/a.db", records([range(30, 38), range(60, 66), range(90, 98)])
    store = open_store(url)
    make_champion(store, MODEL)
    of = within(20, 55), replace(within(60, 75, score=False), name="other")
    store.maintenance.add([of[1]])

    run(store, log, of[0])
    run(store, log, of[0], batch=1, run_name="again")

    assert causes(url) == causes(url, "again")
    assert len(causes(url)) == 2
    store.close()


def test_what_is_not_judged_is_in_the_scores_with_its_reason(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path}/a.db", records([range(30, 38)])
    store = open_store(url)
    make_champion(store, MODEL)

    made = run(store, log, within(20, 60, score=False))

    reader = open_reader(url)
    scores = reader.scores_of("live", "f", "m-0")
    reader.close()
    unjudged = scores.state == State.MAINTENANCE
    assert len(scores) == made.totals.windows == 117
    assert int(unjudged.sum()) == 40 + 3  # 40 readings, and the windows of 4 that begin or end within
    assert np.isnan(scores.ratio[unjudged]).all()
    assert not np.isnan(scores.ratio[~unjudged]).any()
    assert causes(url) == []
    store.close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_entered_reaches_a_worker_that_runs_but_no_replay() -> None:
    store, clock = MemoryStore(), Clock()
    family = Family.model_validate({"topic": "t", "interval": "1s", "window": {"length": 4}})
    index = StreamIndex()
    index.intern(["m-0"])
    code, at = np.zeros(1, np.int32), np.array([(BEGIN + 30) * 10**9])
    found = {}
    for name, every in (("live", LOOK_S), ("replay", math.inf)):
        pipeline = Pipeline("f", family, index, plain(family, RollingThreshold(3.0, 60 * 10**9)), name)
        upkeep = Upkeep(NoModels(), store.maintenance, [], announces=True, every=every, clock=clock)
        upkeep.refresh({"f": pipeline})
        found[name] = upkeep, pipeline
    store.maintenance.add([within(20, 60)])

    def off(name: str) -> bool:
        upkeep, pipeline = found[name]
        upkeep.refresh({"f": pipeline})
        learns = pipeline.maintenance.learn.at(code, at) is None
        assert (upkeep.muting is None) is learns
        return not learns

    assert not off("live")
    clock.now = LOOK_S
    assert off("live")
    assert not off("replay")
    store.maintenance.remove("weekly", "ann", "", void=True)
    clock.now = 2 * LOOK_S
    assert not off("live")


def test_a_worker_announces_what_its_settings_mute_no_more() -> None:
    """After a corrected configuration and a restart."""
    store = MemoryStore()
    inside = alert(opened_at=1100)
    muting = lambda *_: Muted("maintenance weekly", 10**15)  # noqa: E731
    store.commit(Commit("live", facts=[fact(inside)], muting=muting))
    upkeep = Upkeep(NoModels(), store.maintenance, [], announces=True, clock=Clock())
    upkeep.refresh({})

    upkeep.release("live", lambda *_: [("ops", "{}")], 1200)

    assert len(store.outbox) == 1


def test_timers_go_by_the_maintenance_of_the_settings_and_of_the_database(tmp_path: Path) -> None:
    url, now = f"sqlite:///{tmp_path}/a.db", datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    begin, end = now - timedelta(hours=1), now + timedelta(hours=1)
    settings = parse({
        "store": {"url": url}, "families": {"machines": {"topic": "t", "interval": "1s"}},
        "notify": {"ops": {"kind": "log"}},
        "maintenance": {"planned": {"start": begin, "end": end, "streams": "m-0"}},
    })  # fmt: skip
    store, opened = open_store(url), time.time_ns() - 600 * 10**9
    store.maintenance.add([Maintenance(name="entered", start=begin, end=end, streams="m-1")])
    facts = [fact(alert(stream=f"m-{i}", opened_at=opened)) for i in range(3)]
    store.commit(Commit("live", facts=facts, rules={"machines": TimerRules(repeat_every=60 * 10**9)}))

    keeper = alert_keeper(settings)
    assert keeper.turn() == 3
    keeper._timers.close()

    found = {each.alert.stream: each.transitions[-1] for each in details(url)}
    assert {str(change.cause) for change in found.values()} == {"reminded"}
    assert {name: change.withheld for name, change in found.items()} == {
        "m-0": "maintenance planned", "m-1": "maintenance entered", "m-2": "",
    }  # fmt: skip
    store.close()


class Idle(test_idle_detection.Worker):
    """Whose streams are in maintenance."""

    def __init__(self, store: Store, *of: Maintenance) -> None:
        super().__init__(store)
        self.clock = Clock()
        self.builder.upkeep = Upkeep(NoModels(), store.maintenance, of, announces=True, clock=self.clock)
        self.builder.announce = lambda *_: [("ops", "{}")]
        self.builder.upkeep.refresh({"f": self.pipeline})


def test_a_stream_that_is_switched_off_meanwhile_is_silent_afterwards() -> None:
    at = EPOCH + timedelta(seconds=90)
    store = MemoryStore()
    worker = Idle(store, Maintenance(name="m", start=at, end=EPOCH + timedelta(seconds=300), score=False))
    worker.arrive(100, "a", "b")
    for second in range(100, 420, 20):
        worker.arrive(second, "b")
        found = worker.proofs(second, second + 20)
        if found:
            break

    assert found == ["silent a"]
    (alert,) = store.alerts.values()
    assert alert.opened_at == 300 * 10**9


def test_a_silent_stream_is_announced_when_its_maintenance_is_over() -> None:
    """No reading comes: the worker sees that the time is over."""
    store = MemoryStore()
    worker = Idle(store, Maintenance(name="m", start=EPOCH, end=EPOCH + timedelta(seconds=300)))
    worker.arrive(100, "a", "b")
    found = []
    for second in range(100, 340, 20):
        worker.arrive(second, "b")
        worker.clock.now = float(second)
        found += worker.proofs(second, second + 20)
        assert (len(store.outbox) == 1) is (second >= 300)

    assert found == ["silent a"]
    (waiting,) = store.outbox.values()
    assert store.transitions[waiting.delivery.transition].withheld == "maintenance m"
