"""Drifts are found beside the worker, in a sample; what only repeats each day is none."""

from __future__ import annotations

import builtins
import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.errors import SettingsError
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.sampling import Sample
from monitor.records.alerts import FactKind
from monitor.records.batches import Float64, Scores
from monitor.records.streams import StreamIndex
from monitor.training import model_manager
from monitor.training.drift import STREAMS, Drifts, kswin
from tests.unit.training.test_retraining import World

AFTER = 1000
FAMILY = Family.model_validate(
    {"topic": "t", "interval": "1s", "window": {"length": 4}, "train": {"after": AFTER, "drift": True}}
)


def scores(values: Float64, first: int = 0, code: int = 0) -> Scores:
    time = (first + np.arange(len(values), dtype=np.int64)) * 10**9
    stream, one = np.full(len(values), code, np.int32), np.ones(len(values), np.float32)
    return Scores(stream, time, time, values.astype(np.float32), one, one, 0 * one, np.zeros(len(values), np.uint8))


def index_of(*names: str) -> StreamIndex:
    made = StreamIndex()
    made.intern(names)
    return made


def found(values: Float64, what: str = "scores", batch: int = 500) -> list[int]:
    """The readings at which drifts are found in one stream."""
    looking, index = Drifts("live", {"pumps": FAMILY}, kswin()), index_of("p-1")
    facts = []
    for first in range(0, len(values), batch):
        some = scores(values[first : first + batch], first)
        if what == "scores":
            looking.offer("pumps", index, Outcome(some))
        else:
            empty = some.take(np.zeros(0, np.int64))
            kept = Sample(some.stream, some.end, some.score[:, None])
            looking.offer("pumps", index, Outcome(empty, sample=kept))
        looking.look()
        facts += looking.facts()
    opened = [fact for fact in facts if fact.kind is FactKind.OPENED]
    assert [(fact.alert_kind, fact.stream, fact.channel) for fact in opened] == [("drift", "p-1", what)] * len(opened)
    assert len(facts) == 2 * len(opened)  # each is over at once
    return [fact.at // 10**9 for fact in opened]


def usual(spans: int, seed: int = 0) -> Float64:
    """A day in each span, with noise."""
    time = np.arange(spans * AFTER)
    return 3 + np.sin(2 * np.pi * time / AFTER) + 0.5 * np.random.default_rng(seed).normal(size=len(time))


@pytest.mark.parametrize("seed", range(3))
def test_days_that_repeat_are_no_drift(seed: int) -> None:
    assert found(usual(20, seed)) == []


@pytest.mark.parametrize("what", ["scores", "readings"])
def test_another_level_is_a_drift_within_a_span(what: str) -> None:
    values = usual(12)
    values[8 * AFTER :] += 4

    (first, *more) = found(values, what)

    assert 8 * AFTER < first <= 9 * AFTER
    assert more == []  # KSWIN begins again


def test_what_is_found_does_not_depend_on_the_batches() -> None:
    values = usual(12)
    values[8 * AFTER :] += 4

    assert found(values, batch=37) == found(values, batch=3000) == found(values)


def test_only_families_that_ask_for_it_are_looked_at_and_some_of_many_streams() -> None:
    other = FAMILY.model_copy(update={"train": FAMILY.train.model_copy(update={"drift": False})})
    looking = Drifts("live", {"pumps": FAMILY, "ovens": other}, kswin())
    names = [f"p-{i}" for i in range(4 * STREAMS)]
    index = index_of(*names)
    time = np.zeros(len(names), np.int64)
    one = np.ones(len(names), np.float32)
    batch = Scores(
        np.arange(len(names), dtype=np.int32), time, time, one, one, one, one, np.zeros(len(names), np.uint8)
    )
    looking.offer("ovens", index, Outcome(batch))
    looking.look()
    assert looking._tracks == {}
    looking.offer("pumps", index, Outcome(batch))
    looking.look()

    assert len(looking._tracks) == STREAMS


def test_the_worker_never_waits_for_it() -> None:
    looking, index = Drifts("live", {"pumps": FAMILY}, kswin()), index_of("p-1")
    looking._waiting = queue.Queue(2)

    for first in range(10):
        looking.offer("pumps", index, Outcome(scores(np.ones(3), 3 * first)))

    assert looking._waiting.qsize() == 2


def test_it_looks_on_a_thread_of_its_own() -> None:
    looking, index = Drifts("live", {"pumps": FAMILY}, kswin()), index_of("p-1")
    seen: list[str] = []
    looked = threading.Event()
    take = looking._take

    def noted(shown: Any) -> None:
        seen.append(threading.current_thread().name)
        take(shown)
        looked.set()

    looking._take = noted  # type: ignore[method-assign]
    looking.start()
    looking.offer("pumps", index, Outcome(scores(np.ones(30))))

    assert looked.wait(60)
    assert seen == ["drifts"]


def test_without_river_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any, **keywords: Any) -> Any:
        if name.startswith("river"):
            raise ModuleNotFoundError("no river", name="river")
        return real(name, *more, **keywords)

    monkeypatch.setattr(builtins, "__import__", missing)

    with pytest.raises(
        SettingsError, match=r"train\.drift: river is not installed; pip install 'watchkeeper\[drift\]'"
    ):
        kswin()


def test_a_drift_asks_for_a_training_once_there_is_enough_that_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    world = World(tmp_path)
    world.champions.drifted = lambda: {"pumps": "stream a: its scores are distributed otherwise"}
    world.feed(79)
    assert world.started == []
    world.champions.drifted = dict
    world.feed(1)  # twice as many as at the first training
    assert world.store.trainings.recent("pumps", 1)[0].request.cause == "doubled"
    world.end()
    world.champions.drifted = lambda: {"pumps": "stream a: its scores are distributed otherwise"}
    world.feed(39)
    assert len(world.started) == 1
    world.feed(1)

    drift = world.store.trainings.recent("pumps", 1)[0].request
    assert (drift.cause, drift.note) == ("drift", "stream a: its scores are distributed otherwise")
    assert len(world.started) == 2
