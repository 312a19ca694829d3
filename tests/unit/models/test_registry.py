"""A kind of detector is a file and a line in the registry: here, one that gives a score and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

import models
from models.contract import Capabilities, Outputs
from models.registry import DETECTORS, Kind

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

SCORE_ONLY = Capabilities(reconstructs=False, explains=False, epochs=False, trains_with="numpy")


@dataclass(frozen=True)
class PeakConfig:
    validation: float = 0.2
    keep: float = 1.0
    power: int = 1


class Peak:
    """Fits nothing: the score is the largest scaled reading of a window."""

    history = None

    def __init__(self, config: PeakConfig, seed: int) -> None:
        self.validation = config.validation
        self.options: Mapping[str, Any] = asdict(config)

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> Peak:
        return self

    def outputs(self, graph: Graph, x: str) -> Outputs:
        return Outputs(graph.node("ReduceMax", graph.node("Abs", x), graph.constant([1]), keepdims=0))

    def score(self, windows: Float32) -> Float32:
        return np.asarray(np.abs(windows).max(axis=(1, 2)))

    def weights(self) -> Mapping[str, NDArray[Any]]:
        return {}


@pytest.fixture(autouse=True)
def _line(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.unit.models.test_registry"
    monkeypatch.setitem(DETECTORS, "peak", Kind(f"{here}:Peak", f"{here}:PeakConfig", SCORE_ONLY))


WINDOWS = np.random.default_rng(0).normal(size=(60, 5, 2)).astype(np.float32)


def test_it_is_made_trained_saved_and_loaded(tmp_path: Path) -> None:
    detector = models.create("peak", length=5, channels=2, power=2).fit(WINDOWS)
    detector.save(tmp_path / "artefact")
    loaded = models.load(tmp_path / "artefact")

    np.testing.assert_array_equal(loaded.score(WINDOWS), detector.score(WINDOWS))
    assert (loaded.reconstruct(WINDOWS), loaded.explain(WINDOWS), detector.history) == (None, None, None)


def test_its_options_are_checked() -> None:
    with pytest.raises(models.ConfigError, match="did you mean power"):
        models.check("peak", {"powr": 2})
    with pytest.raises(models.ConfigError, match="epochs"):
        models.check("peak", {"epochs": 3})


def test_a_graph_that_gives_what_was_not_declared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests.unit.models.test_registry"
    monkeypatch.setitem(DETECTORS, "peak", Kind(f"{here}:Peak", f"{here}:PeakConfig", Capabilities(epochs=False)))

    with pytest.raises(models.ArtefactError, match="5 x 2 with the outputs contribution, reconstruction, score"):
        models.create("peak", length=5, channels=2).fit(WINDOWS)


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(models.ConfigError, match="did you mean peak"):
        models.create("peek", length=5, channels=2)
