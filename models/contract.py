"""What a detector must be, whatever is inside: an `Estimator` learns, and what it has learned is `Fitted`.

Both see scaled windows, float32 (n, length, channels); shape checks, the split into learned and held-out windows, the
scaler, the normal scores and the artefact are `models.detector`'s, the same for every kind. `Fitted.outputs` writes the
score as nodes of a graph, which an `Engine` computes from then on, in the training itself and in every worker.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # importing `models` is cheap
    import numpy as np
    from numpy.typing import NDArray

    from models.graph import Graph

    Float32 = NDArray[np.float32]

HELD_OUT = 0.2
"""The newest share of the windows, which is not learned from: it says when to stop and which scores are normal."""

INPUT = "windows"
SCORE, RECONSTRUCTION, CONTRIBUTION, CODE = OUTPUTS = ("score", "reconstruction", "contribution", "code")
"""What an engine takes and gives: windows (n, length, channels) in their own units; scores (n,), and of detectors that
have them the next two, as rows (n, length * channels) in scaled units, and latent vectors, (n, width)."""


@dataclass(frozen=True)
class Capabilities:
    """What a kind of detector can do and what it needs. The defaults are those of an autoencoder.

    `reconstructs`: it says what it expected to see. `explains`: its score is a sum over cells, so that each has a
    share. `encodes`: it gives the latent vector of a window. `epochs`: the epoch loop trains it, with the options of
    training and a loss curve. `trains_with` is the library that fits it; `torch` needs the extra `train`. `engine` is
    what scores it, an entry of `models.registry.ENGINES`.
    """

    reconstructs: bool = True
    explains: bool = True
    epochs: bool = True
    trains_with: str = "torch"
    engine: str = "onnx"
    encodes: bool = False

    @property
    def outputs(self) -> frozenset[str]:
        """Those of `OUTPUTS` that its engine gives."""
        given = {SCORE: True, RECONSTRUCTION: self.reconstructs, CONTRIBUTION: self.explains, CODE: self.encodes}
        return frozenset(name for name in OUTPUTS if given[name])


@dataclass(frozen=True)
class Outputs:
    """Values of a graph by their names: the score, (n,), and where the kind has them rows (n, length * channels).

    `code` is rows (n, width).
    """

    score: str
    reconstruction: str | None = None
    contribution: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class History:
    """The loss curve, one number per epoch; the weights are those of `best_epoch` (from 0).

    `refit_epoch` is the first of the second run, whose losses are of the clean windows; 0 when there was one run.
    `clean` is the share of all windows that the last run learned from. `retried` says why an earlier training at a
    higher rate was given up; empty when the first one was sound.
    """

    train: tuple[float, ...]
    validation: tuple[float, ...]
    best_epoch: int
    refit_epoch: int = 0
    clean: float = 1.0
    retried: str = ""


class Fitted(Protocol):
    """What an estimator has learned. It is asked once, right after the training."""

    @property
    def options(self) -> Mapping[str, Any]:
        """All options, JSON-ready, defaults filled in; `models.check` accepts them."""
        ...

    @property
    def history(self) -> History | None:
        """The loss curve; None for a kind without epochs."""
        ...

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """Add the score to `graph`; `x` is scaled windows as rows, (n, length * channels).

        A score is >= 0, higher is worse, and NaN or infinite where its row holds NaN or infinity. A contribution is
        >= 0. Rows must not depend on one another, not in the last bit. Only called where the engine is `onnx`.
        """
        ...

    def score(self, windows: Float32) -> Float32:
        """The scores (n,) by the library that fitted, for scaled windows: what the graph must compute."""
        ...

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """The learned numbers by name, for the artefact; other tools can go on from them."""
        ...


class Estimator(Protocol):
    """Something that learns from windows. Made by a class or function `(config, seed)` that the registry names."""

    @property
    def validation(self) -> float:
        """The newest share of the windows that `fit` gets as `held_out`, above 0 and below 1."""
        ...

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> Fitted:
        """Learn from scaled windows in time order; both parts are complete, and mostly but not all normal.

        `held_out` may decide when to stop, but is not learned from: the normal scores come from it. The same windows,
        options and seed give the same scores. `progress` None shows a bar on a terminal only, if the kind has epochs.
        """
        ...


class Engine(Protocol):
    """Computes the outputs of a trained detector. Made by `(body, chunk)` from the model file of the artefact.

    `onnx` computes a graph. `torch`, in the extra `train`, builds the net again, for a score that needs gradients: it
    gives the score only, as `Fitted.score` does, which has to keep its bits in any batch.
    """

    def fits(self, shape: tuple[int, int], outputs: Collection[str]) -> bool:
        """Whether it takes windows of this (length, channels) and gives exactly these outputs."""
        ...

    def run(self, output: str, windows: Float32) -> Float32:
        """One of its outputs for windows (n, length, channels), n >= 1; equal bits however they are batched."""
        ...
