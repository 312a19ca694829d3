"""A broker of their own, because chaos tests kill it; and one tiny model, trained once."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.ports.store import HistoryBlock
from monitor.training import fit, model_folder
from tests.chaos.fleet import Site, built
from tests.chaos.plant import START_S, Plant
from tests.integration.broker import KafkaBroker, kafka

__all__ = ["kafka"]

LONG = os.environ.get("CHAOS_LONG") == "1"
STREAMS = 12

Build = Callable[[str], AbstractContextManager[Site]]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dense model of the plant's normal days, with a profile of every stream."""
    family = Family.model_validate(
        {
            "topic": "t",
            "interval": "1s",
            "recipe": "plain",
            "window": {"length": 16},
            "detector": {"options": {"epochs": 5}},
        }
    )
    rng = np.random.default_rng(1)
    step = np.arange(400)
    history = []
    for stream in range(STREAMS):
        values = np.sin(step / 5 + stream) + rng.normal(0, 0.05, len(step))
        block = HistoryBlock(stream, (START_S - 1000 + step) * 10**9, values.astype(np.float32)[:, None])
        history.append((f"m-{stream}", block))
    detector, profiles = fit.train(family, history, lambda: bootstrap.detector(family), bootstrap.normal_scores())
    return model_folder.write(tmp_path_factory.mktemp("models"), family, detector, profiles)


@pytest.fixture
def build(kafka: KafkaBroker, tmp_path: Path, tiny_model: Path) -> Build:
    """Makes a site around the database at a URL, with a topic of its own."""

    def make(url: str) -> AbstractContextManager[Site]:
        plant = Plant(kafka.bootstrap_servers, kafka.topic(4), streams=STREAMS)
        return built(tmp_path, kafka.bootstrap_servers, url, tiny_model, plant)

    return make
