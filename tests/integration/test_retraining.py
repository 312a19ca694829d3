"""A live worker trains its family again and scores on, refuses a poisoned challenger, and follows a roll back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer
from sqlalchemy import func, select
from typer.testing import CliRunner

from monitor import bootstrap
from monitor.cli import models as command
from monitor.config.settings import load
from monitor.ports.trainings import Progress, Training
from monitor.sources.embedded import EmbeddedBroker
from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.sql import SqlStore, open_store

pytestmark = pytest.mark.timeout(900)

WITHIN_S = 240.0
AFTER, LENGTH = 100, 4
START = 1_700_000_000
CONFIG = """
models = "{folder}/models"
[kafka]
bootstrap_servers = "{servers}"
[store]
url = "sqlite:///{folder}/plant.db"
commit_interval = "100ms"
[families.pumps]
topic = "pumps"
interval = "1s"
recipe = "plain"
window.length = 4
align.lateness = 0
train = {{ after = 100, every = 10_000 }}
alerts = {{ open_count = 32, open_of = 32 }}
detector.kind = "mahalanobis"
"""


class Plant:
    """One pump, its worker on a thread, and the database."""

    def __init__(self, folder: Path, broker: EmbeddedBroker) -> None:
        self.config = folder / "plant.toml"
        self.config.write_text(CONFIG.format(folder=folder, servers=broker.bootstrap_servers))
        self.url = f"sqlite:///{folder}/plant.db"
        self.published = 0
        self._producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        self._over, self._errors = threading.Event(), list[BaseException]()
        self._thread = threading.Thread(target=self._work)
        self.store: SqlStore = open_store(self.url)

    def _work(self) -> None:
        try:
            with bootstrap.worker(load(self.config), self.config) as worker:
                worker.runner.run(self._over.is_set)
        except BaseException as error:
            self._errors.append(error)

    def __enter__(self) -> Plant:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.store.close()
        assert self._errors == []

    def publish(self, count: int, *, spoilt: bool = False) -> None:
        rng = np.random.default_rng(self.published)
        values = rng.normal(size=count)
        if spoilt:  # eight by eight, so that no alert opens, whose time would not be learned from
            values *= np.where(np.arange(count) // 8 % 2, 1, 20)
        for value in values.tolist():
            body = json.dumps({"time": START + self.published, "value": round(value, 4)})
            self._producer.produce("pumps", body, "p-1")
            self.published += 1
        assert self._producer.flush(30) == 0

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WITHIN_S
        while not holds():
            assert time.monotonic() < end, f"{what} within {WITHIN_S} s"
            assert self._errors == []
            time.sleep(0.1)

    def scored(self) -> dict[str, int]:
        """Windows by the model that scored them, "" = cold start."""
        database = connect(self.url)
        with database.reading() as connection:
            s, m = schema.scores.c, schema.models.c
            count = select(m.id, func.count()).select_from(schema.scores).outerjoin(schema.models, m.ref == s.model)
            rows = connection.execute(count.group_by(m.id)).all()
        database.close()
        return {row[0] or "": row[1] for row in rows}

    def follow(self, model: str) -> None:
        """Publish now and then, until this model scores."""
        before = self.scored().get(model, 0)

        def scores() -> bool:
            self.publish(1)
            time.sleep(1)
            return self.scored().get(model, 0) > before

        self.until(scores, f"scores by {model[:16]}")

    def all_scored(self) -> bool:
        return sum(self.scored().values()) == self.published - LENGTH + 1

    def training(self) -> Training:
        return self.store.trainings.recent("pumps", 1)[0]

    def champion(self) -> str:
        row = self.store.registry.champion("pumps")
        return "" if row is None else row.id


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with EmbeddedBroker() as broker:
        broker.create_topic("pumps")
        with Plant(tmp_path, broker) as made:
            yield made


def test_a_worker_that_trains_again_and_scores_on(plant: Plant) -> None:
    plant.publish(AFTER)
    plant.until(lambda: plant.champion() != "", "a first model")
    first = plant.champion()
    plant.follow(first)
    plant.publish(AFTER + 10)
    plant.until(lambda: plant.champion() != first, "a second model, as the history has doubled")
    second = plant.champion()
    plant.until(lambda: plant.training().ended is not None, "the end of the training")
    doubled = plant.training()
    assert (doubled.request.cause, doubled.progress, doubled.model) == ("doubled", Progress.PROMOTED, second)

    plant.follow(second)
    plant.publish(2 * AFTER + 40, spoilt=True)
    plant.until(lambda: plant.training().id > doubled.id, "a training of a history that has doubled again")
    plant.until(lambda: plant.training().ended is not None, "the end of that training")
    refused = plant.training()
    assert refused.progress is Progress.REFUSED, refused
    assert "the champion" in refused.outcome
    assert plant.champion() == second

    result = CliRunner().invoke(command.app, ["rollback", "pumps", "--by", "ann", "--config", str(plant.config)])
    assert result.exception is None, result.output
    plant.until(plant.all_scored, "scores of all readings")
    plant.follow(first)
    plant.until(plant.all_scored, "scores of all readings")
    assert plant.champion() == first
    assert plant.scored().keys() <= {"", first, second}
    life = [(change.model, change.state.value, change.by) for change in plant.store.registry.life("pumps")]
    assert life[-2:] == [(second, "retired", "ann"), (first, "champion", "ann")]
