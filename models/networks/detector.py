"""The detector that learns: torch trains it, and what it has learned becomes a graph that scores without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors import torch as safetensors

from models.artefacts import artefact
from models.artefacts.data import Float32, Scaler, as_windows, complete, split
from models.artefacts.runtime import CONTRIBUTION, INPUT, RECONSTRUCTION, SCORE, Runtime
from models.artefacts.scorer import Scorer
from models.artefacts.scores import ScoreSummary
from models.configs import TrainingConfig
from models.errors import ArtefactError, NotFittedError
from models.networks.base import Autoencoder
from models.networks.graph import Graph
from models.networks.training import History, train

TOLERANCE = 1e-5  # between torch's scores and the graph's, of a score and in scaled units
COMPARED = 256  # windows on which they are compared


@dataclass(frozen=True)
class Fitted:
    """What a training leaves behind."""

    scorer: Scorer
    graph: bytes
    chunk: int
    scaler: Scaler
    history: History
    data: dict[str, Any]


class Detector:
    """An autoencoder for windows of one shape. `models.create` makes it, `fit` trains it.

    From then on it scores exactly as the `Scorer` that `models.load` returns for its artefact, whose contract it has.
    """

    def __init__(self, kind: str, net: Autoencoder, training: TrainingConfig, seed: int) -> None:
        self.kind = kind
        self.length = net.length
        self.channels = net.channels
        self.seed = seed
        self.training = training
        self._net = net
        self._fitted: Fitted | None = None

    @property
    def training_scores(self) -> ScoreSummary:
        """See `Scorer`. Raises NotFittedError before `fit`."""
        return self._known().scorer.training_scores

    @property
    def history(self) -> History:
        """The loss curve of the training. Raises NotFittedError before `fit`."""
        return self._known().history

    def fit(self, windows: ArrayLike, *, progress: bool | None = None) -> Self:
        """Train on windows (n, length, channels) in time order; the last part of them is held out.

        They need not be clean, only mostly so. Windows that hold NaN are left out. `progress` None shows a bar on a
        terminal only. Raises ShapeError, and DataError when fewer than 20 complete windows are given.
        """
        given = as_windows(windows, self.length, self.channels)
        whole = complete(given)
        learn, held_out = split(whole, self.training.validation)
        scaler = Scaler.robust(learn)
        with _one_thread():  # nets this small gain nothing from a second one, and lose much beside a busy process
            history = train(
                self._net,
                torch.from_numpy(scaler.forward(learn)),
                torch.from_numpy(scaler.forward(held_out)),
                self.training,
                seed=self.seed,
                progress=progress,
            )
        graph = _export(self._net, scaler)
        runtime = Runtime(graph)
        runtime.chunk = runtime.fastest_chunk(held_out)
        _compare(self._net, scaler, runtime, held_out[-COMPARED:])
        summary = ScoreSummary.of(runtime.run(SCORE, held_out))
        scorer = Scorer(self.kind, (self.length, self.channels), runtime, scaler, summary)
        data = {"windows": len(whole), "incomplete": len(given) - len(whole), "sha256": _digest(whole)}
        self._fitted = Fitted(scorer, graph, runtime.chunk, scaler, history, data)
        return self

    def score(self, windows: ArrayLike) -> Float32:
        """See `Scorer.score`."""
        return self._known().scorer.score(windows)

    def reconstruct(self, windows: ArrayLike) -> Float32:
        """See `Scorer.reconstruct`."""
        return self._known().scorer.reconstruct(windows)

    def explain(self, windows: ArrayLike) -> Float32:
        """See `Scorer.explain`."""
        return self._known().scorer.explain(windows)

    def save(self, path: str | Path, *, channel_names: Sequence[str] = (), span: tuple[int, int] | None = None) -> None:
        """Write the artefact folder `path`, at once or not at all; an artefact already there is replaced.

        `channel_names` and `span` (first and last time of the training data, ns) are kept in the manifest for people.
        """
        fitted = self._known()
        libraries = ("watchkeeper", "torch", "onnx", "onnxruntime", "numpy", "safetensors")
        manifest = {
            "kind": self.kind,
            "length": self.length,
            "channels": self.channels,
            "chunk": fitted.chunk,
            "channel_names": list(channel_names),
            "seed": self.seed,
            "config": {**asdict(self._net.config), **asdict(self.training)},
            "scaler": fitted.scaler.to_dict(),
            "training_scores": self.training_scores.to_dict(),
            "history": asdict(fitted.history),
            "data": {**fitted.data, "span": span},
            "versions": {name: version(name) for name in libraries},
        }
        weights = {name: tensor.contiguous() for name, tensor in self._net.state_dict().items()}
        artefact.save(Path(path), fitted.graph, safetensors.save(weights), manifest)

    def _known(self) -> Fitted:
        if self._fitted is None:
            raise NotFittedError(f"this {self.kind} detector has not been fitted; call fit(windows) first")
        return self._fitted


def _export(net: Autoencoder, scaler: Scaler) -> bytes:
    """The graph of scaler, net and score. Within it a window is one row: broadcasting over few channels is slow.

    It computes nothing that the score does not need: what else it gives comes up on the way.
    """
    graph = Graph()
    cells = net.length * net.channels
    centre, inverse = (graph.constant(np.tile(row, net.length)) for row in (scaler.centre, 1 / scaler.scale))
    x = graph.node("Mul", graph.node("Sub", graph.node("Flatten", INPUT), centre), inverse)
    rebuilt = net.export(graph, x)
    blame = net.export_contribution(graph, x, rebuilt)
    outputs: dict[str, tuple[str, list[Any]]] = {
        SCORE: (net.export_score(graph, x, rebuilt, blame), ["n"]),
        RECONSTRUCTION: (rebuilt, ["n", cells]),
        CONTRIBUTION: (blame, ["n", cells]),
    }
    return graph.serialise({INPUT: ["n", net.length, net.channels]}, outputs)


def _compare(net: Autoencoder, scaler: Scaler, runtime: Runtime, windows: Float32) -> None:
    """Raise ArtefactError unless the graph scores these windows as torch does."""
    with _one_thread(), torch.inference_mode():
        x = torch.from_numpy(scaler.forward(windows))
        expected = net.score(x, net(x)).numpy()
    found = runtime.run(SCORE, windows)
    if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        apart = float(np.abs(found - expected).max())
        raise ArtefactError(
            f"the exported graph scores the held-out windows up to {apart:.3g} apart from torch; nothing is saved. "
            f"This is a mistake in {type(net).__name__}.export or a numerically unstable model: train it again"
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _digest(windows: Float32) -> str:
    return hashlib.sha256(windows.tobytes()).hexdigest()
