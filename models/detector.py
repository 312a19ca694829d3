"""A detector that can learn: its estimator fits, and what was fitted becomes a graph that scores like an artefact."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from safetensors import numpy as safetensors

from models.artefacts import artefact
from models.artefacts.data import Float32, Scaler, as_windows, complete, shared, split
from models.artefacts.described import describe
from models.artefacts.runtime import Runtime
from models.artefacts.scorer import Scorer
from models.artefacts.scores import ScoreSummary
from models.compiled.engine import quickened
from models.compiled.programs import PROGRAM, Trained
from models.contract import (
    CODE,
    CONTRIBUTION,
    INPUT,
    RECONSTRUCTION,
    SCORE,
    Capabilities,
    Engine,
    Estimator,
    Fitted,
    History,
    Outputs,
)
from models.errors import ArtefactError, NotFittedError
from models.graph import Graph

TOLERANCE = 1e-5  # between the scores of the library that fitted and the graph's, of a score and in scaled units
UNSEEN = 1e-3  # of the spread of scores: a difference between the two that no limit notices
COMPARED = 256  # windows on which they are compared
LIBRARIES = ("watchkeeper", "onnx", "onnxruntime", "numpy", "safetensors")


@dataclass(frozen=True)
class _Trained:
    """What a training leaves behind."""

    fitted: Fitted
    scorer: Scorer
    body: bytes  # what the engine is made of
    chunk: int
    scaler: Scaler
    data: dict[str, Any]


class Detector:
    """A detector for windows of one shape. `models.create` makes it, `fit` trains it.

    From then on it scores exactly as the `Scorer` that `models.load` returns for its artefact, whose contract it has.
    """

    def __init__(
        self, kind: str, capabilities: Capabilities, shape: tuple[int, int], estimator: Estimator, *, seed: int,
        scale: bool = True,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.capabilities = capabilities
        self.length, self.channels = shape
        self.seed = seed
        self._estimator, self._scale = estimator, scale
        self._trained: _Trained | None = None

    @property
    def training_scores(self) -> ScoreSummary:
        """See `Scorer`. Raises NotFittedError before `fit`."""
        return self._known().scorer.training_scores

    @property
    def history(self) -> History | None:
        """The loss curve of the training; None for a kind without epochs. Raises NotFittedError before `fit`."""
        return self._known().fitted.history

    @property
    def parameters(self) -> int:
        """How many learned numbers it keeps. Raises NotFittedError before `fit`."""
        return sum(array.size for array in self._known().fitted.weights().values())

    def fit(self, windows: ArrayLike, *, progress: bool | None = None) -> Self:
        """Train on windows (n, length, channels) in time order; the last part of them is held out.

        They need not be clean, only mostly so. Windows that hold NaN are left out. `progress` None shows a bar on a
        terminal only. Raises ShapeError, and DataError when fewer than 20 complete windows are given.
        """
        given = as_windows(windows, self.length, self.channels)
        whole = complete(given)
        learn, held_out = split(whole, self._estimator.validation)
        scaler = Scaler.robust(learn) if self._scale else Scaler.none(self.channels)
        fitted = self._estimator.fit(scaler.forward(learn), scaler.forward(held_out), progress=progress)
        body, first, chunk = self._engine(fitted, scaler, held_out)
        shape = self.length, self.channels
        net = Trained(self.kind, fitted.options, shape, scaler.centre, scaler.scale, fitted.weights())
        engine = quickened(first, net)
        newest = held_out[-COMPARED:]
        expected = fitted.score(scaler.forward(newest))
        for each in dict.fromkeys((first, engine)):
            _compare(self.kind, expected, each.run(SCORE, newest))
        together = shared(whole)
        past = held_out if together is None else whole  # nothing shows what lasts: no need for the scores of the rest
        summary = ScoreSummary.of_newest(engine.run(SCORE, past), len(held_out), together)
        scorer = Scorer(self.kind, self.capabilities, shape, engine, scaler, summary)
        data = {"windows": len(whole), "incomplete": len(given) - len(whole), "sha256": _digest(whole)}
        self._trained = _Trained(fitted, scorer, body, chunk, scaler, data)
        return self

    def score(self, windows: ArrayLike) -> Float32:
        """See `Scorer.score`."""
        return self._known().scorer.score(windows)

    def reconstruct(self, windows: ArrayLike) -> Float32 | None:
        """See `Scorer.reconstruct`."""
        return self._known().scorer.reconstruct(windows)

    def explain(self, windows: ArrayLike) -> Float32 | None:
        """See `Scorer.explain`."""
        return self._known().scorer.explain(windows)

    def encode(self, windows: ArrayLike) -> Float32 | None:
        """See `Scorer.encode`."""
        return self._known().scorer.encode(windows)

    def save(
        self,
        path: str | Path,
        *,
        channel_names: Sequence[str] = (),
        span: tuple[int, int] | None = None,
        beside: Mapping[str, str] | None = None,
    ) -> None:
        """Write the artefact folder `path`, at once or not at all; an artefact already there is replaced.

        `channel_names` and `span` (first and last time of the training data, ns) are kept in the manifest for people,
        and `beside` for those who load it: the sha256 of files outside that belong to it, by name.
        """
        trained = self._known()
        history = trained.fitted.history
        manifest = {
            "kind": self.kind,
            "capabilities": asdict(self.capabilities),
            "length": self.length,
            "channels": self.channels,
            "chunk": trained.chunk,
            "program": PROGRAM,
            "channel_names": list(channel_names),
            "seed": self.seed,
            "config": dict(trained.fitted.options),
            "scaler": trained.scaler.to_dict(),
            "training_scores": self.training_scores.to_dict(),
            "history": None if history is None else asdict(history),
            "data": {**trained.data, "span": span},
            "beside": dict(beside or {}),
            "versions": {name: version(name) for name in (*LIBRARIES, self.capabilities.trains_with)},
        }
        artefact.save(Path(path), trained.body, safetensors.save(dict(trained.fitted.weights())), manifest)

    def _engine(self, fitted: Fitted, scaler: Scaler, windows: Float32) -> tuple[bytes, Engine, int]:
        """What an engine is made of, an engine, and how many windows it takes at once."""
        if self.capabilities.engine != "onnx":
            shape = {"kind": self.kind, "length": self.length, "channels": self.channels}
            described = {**shape, "config": dict(fitted.options), "scaler": scaler.to_dict()}
            return describe(fitted.weights(), described), _Direct(fitted, scaler), 1
        graph = _export(fitted, scaler, self.length)
        runtime = Runtime(graph)
        runtime.chunk = runtime.fastest_chunk(windows)
        return graph, runtime, runtime.chunk

    def _known(self) -> _Trained:
        if self._trained is None:
            raise NotFittedError(f"this {self.kind} detector has not been fitted; call fit(windows) first")
        return self._trained


class _Direct:
    """The engine of a kind without a graph, right after its training: the library that fitted also scores."""

    def __init__(self, fitted: Fitted, scaler: Scaler) -> None:
        self._fitted, self._scaler = fitted, scaler

    def fits(self, shape: tuple[int, int], outputs: Collection[str]) -> bool:
        """See `Engine.fits`."""
        return set(outputs) == {SCORE}

    def run(self, output: str, windows: Float32) -> Float32:
        """See `Engine.run`."""
        with np.errstate(all="ignore"):  # values too large for float32 are infinite, as in every engine
            return self._fitted.score(self._scaler.forward(windows))


def _export(fitted: Fitted, scaler: Scaler, length: int) -> bytes:
    """The graph of scaler and score. Within it a window is one row: broadcasting over few channels is slow.

    It computes nothing that the score does not need: what else it gives comes up on the way.
    """
    graph = Graph()
    channels = len(scaler.centre)
    centre, inverse = (graph.constant(np.tile(row, length)) for row in (scaler.centre, 1 / scaler.scale))
    x = graph.node("Mul", graph.node("Sub", graph.node("Flatten", INPUT), centre), inverse)
    values: Outputs = fitted.outputs(graph, x)
    outputs: dict[str, tuple[str, list[Any]]] = {SCORE: (values.score, ["n"])}
    for name, value in ((RECONSTRUCTION, values.reconstruction), (CONTRIBUTION, values.contribution)):
        if value is not None:
            outputs[name] = (value, ["n", length * channels])
    if values.code is not None:
        outputs[CODE] = (values.code, ["n", "width"])
    return graph.serialise({INPUT: ["n", length, channels]}, outputs)


def _compare(kind: str, expected: Float32, found: Float32) -> None:
    """Raise ArtefactError unless the graph scores as the library that fitted does."""
    near = max(TOLERANCE, UNSEEN * float(expected.std()))
    if not np.allclose(found, expected, rtol=TOLERANCE, atol=near):
        apart = float(np.abs(found - expected).max())
        raise ArtefactError(
            f"the exported graph scores the held-out windows up to {apart:.3g} apart from what was fitted; nothing is "
            f"saved. This is a mistake in how {kind} writes its graph or a numerically unstable model: train it again"
        )


def _digest(windows: Float32) -> str:
    return hashlib.sha256(windows.tobytes()).hexdigest()
