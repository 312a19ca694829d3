"""A worker asks for the trainings that are due, runs those that wait, and takes over what they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.sampling import Sampling
from monitor.ports.trainings import Progress, Request
from monitor.records.batches import Float32, Readings
from monitor.store.memory import MemoryStore
from monitor.training import model_manager
from monitor.training.model_manager import Champions
from tests.unit.training.test_fit import NORMAL
from tests.unit.training.test_model_manager import FakeJob, library_of, put_model

AFTER, EVERY = 40, 100


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)


class World:
    """A family with a champion, read by one worker."""

    def __init__(self, folder: Path, every: int | str = EVERY) -> None:
        self.store, self.folder = MemoryStore(), folder
        self.started: list[int] = []
        self.jobs: list[FakeJob] = []
        train = {"after": AFTER, "every": every}
        given = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "train": train}
        self.family = Family.model_validate(given)
        put_model(self.store, folder, ["a"])
        self.read = 0
        self.champions, self.pipeline = self.worker()

    def worker(self) -> tuple[Champions, Pipeline]:
        made = bootstrap.pipeline("pumps", self.family)
        made.sampling = Sampling(AFTER, 1)
        made.index.intern(["a"])
        made.process(self.readings(made, 0))

        def again(family: str, id_: int) -> FakeJob:
            assert family == "pumps"
            self.started.append(id_)
            self.jobs.append(FakeJob())
            return self.jobs[-1]

        library = library_of(self.store, self.folder)
        serving = Champions(self.store, library, "live", NORMAL, lambda family: FakeJob(), again)
        serving.refresh({"pumps": made})
        return serving, made

    def readings(self, made: Pipeline, count: int) -> Readings:
        none = np.zeros(count, np.int32)
        values: Float32 = np.random.default_rng(self.read).normal(size=(count, 1)).astype(np.float32)
        time = (np.arange(count, dtype=np.int64) + self.read) * 10**9
        return Readings(none + made.index.codes["a"], time, values, none, none.astype(np.int64))

    def feed(self, count: int) -> None:
        """More readings, and then a look at the models."""
        self.pipeline.process(self.readings(self.pipeline, count))
        self.read += count
        self.champions.refresh({"pumps": self.pipeline})

    def end(self, progress: Progress = Progress.PROMOTED, outcome: str = "") -> None:
        """The training that runs has ended."""
        self.store.trainings.end(self.started[-1], progress, outcome=outcome)
        self.jobs[-1].code = 0
        self.champions.refresh({"pumps": self.pipeline})


def test_it_trains_at_each_doubling_and_then_every_so_often(tmp_path: Path) -> None:
    world = World(tmp_path)
    at = []
    for read in range(10, 600, 10):
        before = len(world.started)
        world.feed(10)
        if len(world.started) > before:
            at.append(read)
            world.end()

    assert at == [80, 160, 260, 360, 460, 560]
    causes = [training.request.cause for training in reversed(world.store.trainings.recent("pumps", 10))]
    assert causes == ["doubled", "doubled", "every", "every", "every", "every"]


def test_none_is_repeated_and_none_begins_beside_another_one(tmp_path: Path) -> None:
    world = World(tmp_path, every="none")
    world.feed(1000)
    assert world.started == []

    world = World(tmp_path)
    world.feed(100)
    world.feed(100)
    assert len(world.started) == 1
    other, pipeline = world.worker()
    other.refresh({"pumps": pipeline})
    assert len(world.started) == 1  # it runs, in another worker


def test_a_training_that_is_asked_for_begins_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.feed(20)
    asked = world.store.trainings.ask(Request(family="pumps", cause="request", by="ann"))
    world.feed(10)

    assert world.started == [asked.id]
    assert world.store.trainings.newest(["pumps"])["pumps"].request.readings == 30


def test_after_a_refusal_the_history_has_to_double_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.feed(90)
    with capture_logs() as lines:
        world.end(Progress.REFUSED, "it alarms on 9 % of the recent windows")
    world.feed(50)

    assert len(world.started) == 1
    (ended,) = [line for line in lines if line["event"] == "training_ended"]
    assert (ended["progress"], ended["log_level"]) == ("refused", "warning")
    assert ended["outcome"] == "it alarms on 9 % of the recent windows"


def test_a_training_that_crashes_leaves_why_and_the_champion(tmp_path: Path) -> None:
    world = World(tmp_path)
    before = world.pipeline.model
    world.feed(90)
    world.jobs[-1].code = 137
    world.champions.refresh({"pumps": world.pipeline})

    (training,) = world.store.trainings.recent("pumps", 10)
    assert (training.progress, training.outcome) == (Progress.FAILED, "the training ended with exit code 137")
    assert world.champions.failed == {}
    assert world.pipeline.model == before


def test_a_training_by_hand_counts_from_when_it_is_seen(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.feed(51)
    by_hand = world.store.trainings.ask(Request(family="pumps", cause="command", by="ann"))
    world.store.trainings.claim(by_hand.id)
    world.store.trainings.end(by_hand.id, Progress.PROMOTED)
    world.feed(1)
    assert world.store.trainings.newest(["pumps"])["pumps"].request.readings == 52
    world.feed(50)
    assert world.started == []  # it had 52 then: not at 80
    world.feed(2)
    assert len(world.started) == 1


def test_a_process_that_cannot_be_started_is_a_training_that_failed(tmp_path: Path) -> None:
    world = World(tmp_path)

    def again(family: str, id_: int) -> FakeJob:
        raise BlockingIOError("no more processes")

    world.champions._again = again
    world.feed(90)

    (training,) = world.store.trainings.recent("pumps", 10)
    assert (training.progress, training.outcome) == (Progress.FAILED, "no more processes")


def test_a_training_that_runs_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.feed(90)
    seen = world.store.trainings.alive.copy()
    monkeypatch.setattr(model_manager, "LOG_S", 0.0)
    world.champions._families["pumps"].next_log = 0.0
    world.champions.refresh({"pumps": world.pipeline})

    assert world.store.trainings.alive[world.started[0]] > seen[world.started[0]]


def test_a_new_champion_begins_from_its_profile_and_keeps_what_companions_know(tmp_path: Path) -> None:
    train = {"after": AFTER, "every": EVERY}
    given = {"topic": "t", "interval": "1s", "window": {"length": 4}, "train": train, "recipe": "default"}
    world = World(tmp_path)
    world.family = Family.model_validate(given)
    put_model(world.store, tmp_path, ["a"], recipe="default")
    world.champions, world.pipeline = world.worker()
    world.feed(60)
    recipe, codes = world.pipeline.recipe, np.array([world.pipeline.index.codes["a"]])
    of_companions = {name: of for name, of in recipe.sections.items() if name.startswith("companion.")}
    companions = {name: section.part.dump(codes).tobytes() for name, section in of_companions.items()}
    put_model(world.store, tmp_path, ["a", "b"], recipe="default")
    world.champions.refresh({"pumps": world.pipeline})

    assert world.pipeline.model == world.store.registry.champion("pumps").id  # type: ignore[union-attr]
    kept = {name: section.part.dump(codes).tobytes() for name, section in of_companions.items()}
    assert kept == companions
    deviations = recipe.sections["detector.deviations"].part.dump(codes)
    assert float(deviations["count"][0]) == 60  # the profile's, not the one that it had come to
    assert world.pipeline.history_length > 0
