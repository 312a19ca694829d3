"""A worker whose models cannot be loaded, or fail while scoring: nothing is lost, and the error names the model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor import bootstrap
from monitor.config.families import Family
from monitor.errors import ModelError
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.models import ModelRow
from monitor.ports.source import Assignments
from monitor.records.batches import Float32, Poll
from monitor.sources.memory import ListSource, Record
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import DistanceScorer
from monitor.training import model_manager
from monitor.training.model_library import ModelLibrary
from monitor.training.model_manager import Champions
from monitor.worker import scoring_retries
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.unit.training.test_fit import NORMAL, Recording

FAMILY = Family.model_validate(
    {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "align": {"lateness": 0}}
)
STREAMS = ("m-0", "m-1")
WINDOWS = 2 * 57  # of 60 readings of each stream


class Failing(DistanceScorer):
    """Fails at the calls whose numbers are in `at`, counted over all of its kind."""

    at: frozenset[int] | range = frozenset()
    calls = 0

    def score(self, windows: Float32) -> Float32:
        type(self).calls += 1
        if self.calls in self.at:
            raise RuntimeError("division by zero")
        return super().score(windows)


class World:
    """Two streams in a partition each, models in a folder, and workers on them."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.store, self.folder = MemoryStore(), folder
        self.connects = 0
        self.at_poll: dict[int, Callable[[], object]] = {}
        self.logs: dict[tuple[str, int], list[Record]] = {
            ("t", i): [self._record(name, at, rng) for at in range(60)] for i, name in enumerate(STREAMS)
        }
        self.first = self.promoted(1.0)

    @staticmethod
    def _record(name: str, at: int, rng: np.random.Generator) -> Record:
        value = float(rng.normal()) * (20 if 40 <= at < 48 else 1)
        return name.encode(), json.dumps({"time": 1_700_000_000 + at, "value": value}).encode()

    def promoted(self, scale: float) -> ModelRow:
        """A new champion."""
        one = np.ones(1, np.float32)
        profiles = {name: Profile(0 * one, one * scale, 1.0, 0.3, 60) for name in STREAMS}
        library = ModelLibrary(self.store.registry, self.folder, lambda path: DistanceScorer())
        row = library.keep("f", FAMILY, Recording(), profiles)
        self.store.registry.promote("f", row.id, "test")
        return row

    def break_champion(self) -> None:
        """Promote a model whose artefact is damaged wherever it is."""
        row = self.promoted(2.0)
        shutil.rmtree(self.folder / row.id)
        self.store.registry.bodies["f", row.id] = b"damaged"

    def runner(self, scorer: type[DistanceScorer] = DistanceScorer, *, live: bool = True) -> Runner:
        pipeline = bootstrap.pipeline("f", FAMILY)
        library = ModelLibrary(self.store.registry, self.folder, lambda path: scorer())
        world = self

        class Source(ListSource):
            polls = 0

            def poll(self, timeout: float) -> Poll:
                self.polls += 1
                world.at_poll.pop(self.polls, lambda: None)()
                return super().poll(timeout)

        def connect(listener: Assignments) -> ListSource:
            self.connects += 1
            return Source(self.logs, {"t": ("f", bootstrap.decoder(FAMILY, pipeline.index))}, listener, batch=7)

        champions = Champions(self.store, library, "live", NORMAL)
        plan = WorkerOptions(commit_interval=0.0, until_end=True, live=live, announce=lambda *_: [("log", "{}")])
        return Runner(connect, self.store, {"f": pipeline}, champions, plan)

    def facts(self) -> dict[str, object]:
        names = {id_: key[2] for key, id_ in self.store.streams.items()}
        return {
            "scores": {(names[id_], end): s.score.tobytes() for (id_, end), s in self.store.scores.items()},
            "alerts": self.store.alerts,
            "transitions": self.store.transitions,
            "states": {names[id_]: state.state for id_, state in self.store.states.items()},
            "offsets": {key: position.next_offset for key, position in self.store.positions.items()},
        }


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    monkeypatch.setattr(scoring_retries, "DELAYS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Failing, "calls", 0)


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, object]:
    world = World(tmp_path / "undisturbed")
    world.runner().run()
    assert len(world.store.scores) == WINDOWS
    assert world.store.alerts
    return world.facts()


def test_a_champion_broken_under_a_running_worker_changes_nothing(
    undisturbed: dict[str, object], tmp_path: Path
) -> None:
    world = World(tmp_path / "models")
    world.at_poll[3] = world.break_champion

    with capture_logs() as lines:
        totals = world.runner().run()

    assert world.facts() == undisturbed
    assert totals.records == 120
    assert [line["scored_by"] for line in lines if line["event"] == "model_refused"] == [world.first.id[:16]]


def test_a_champion_that_is_broken_from_the_start_leaves_the_cold_start_statistic(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.break_champion()

    totals = world.runner().run()

    assert (totals.records, len(world.store.scores)) == (120, WINDOWS)
    assert {int(score.state[0]) for score in world.store.scores.values()} <= {2, 3}


@pytest.mark.parametrize("at", [1, 2, 5, 9])
def test_a_batch_whose_scoring_failed_is_done_again(
    undisturbed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(Failing, "at", {at})
    world = World(tmp_path / "models")

    with capture_logs() as lines:
        world.runner(Failing).run()

    assert world.connects == 2
    assert world.facts() == undisturbed
    (failed,) = [line for line in lines if line["event"] == "scoring_failed"]
    assert world.first.id[:16] in failed["error"]


def test_a_better_model_takes_over_from_one_that_keeps_failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "at", range(5, 7))
    world = World(tmp_path)
    second: list[ModelRow] = []
    world.at_poll[4] = lambda: world.at_poll.update({1: lambda: second.append(world.promoted(2.0))})

    with capture_logs() as lines:
        world.runner(Failing).run()

    adopted = [line["model"] for line in lines if line["event"] == "model_adopted"]
    assert adopted == [world.first.id[:16], second[0].id[:16]]
    assert world.connects == 3  # the second try met the old model once more
    assert len(world.store.scores) == WINDOWS
    assert {key: at.next_offset for key, at in world.store.positions.items()} == {
        ("live", "t", 0): 60, ("live", "t", 1): 60,
    }  # fmt: skip


def test_a_model_that_keeps_failing_ends_the_worker_by_name_and_loses_nothing(
    undisturbed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "at", range(5, 10**6))
    world = World(tmp_path / "models")

    with pytest.raises(ModelError, match=rf"model {world.first.id[:16]} of family f fails") as error:
        world.runner(Failing).run()

    assert error.value.exit_code == 5
    assert world.connects == 4
    assert len(world.store.scores) < WINDOWS
    world.runner().run()  # mended
    assert world.facts() == undisturbed


def test_a_replay_ends_at_the_first_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "at", {5})
    world = World(tmp_path)

    with pytest.raises(ModelError, match="of family f fails"):
        world.runner(Failing, live=False).run()

    assert world.connects == 1


def test_failures_far_apart_are_each_the_first() -> None:
    now = [0.0]
    retries = scoring_retries.ScoringRetries(lambda: now[0])
    delays = []
    for now[0] in (0.0, 1.0, 2.0, 3.0, 3.0 + scoring_retries.FORGOTTEN_S + 1):
        delays.append(retries.failed())

    assert delays == [0.0, 0.0, 0.0, None, 0.0]


def test_the_wait_for_a_retry_goes_by_the_clock_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_retries, "DELAYS_S", (5.0,))
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += 1.0

    retries = scoring_retries.ScoringRetries(lambda: now[0], sleep)
    retries.wait(lambda: False)
    assert (retries.failed(), retries.pending, slept) == (5.0, True, [])
    retries.wait(lambda: False)
    assert (now[0], len(slept), retries.pending) == (5.0, 5, False)
    retries.failed()
    retries.wait(lambda: True)
    assert len(slept) == 5
