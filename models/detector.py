"""The detector: scaler, net and what it learned of normal scores. numpy in, numpy out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from models import artefact
from models.base import Autoencoder
from models.data import Float32, Scaler, as_windows, complete, split
from models.errors import ArtefactError, NotFittedError
from models.scores import ScoreSummary
from models.training import History, TrainingConfig, train

ROWS = 16  # the net only ever sees multiples of this


class Detector:
    """An autoencoder for windows of one shape. `models.create` and `models.load` make it; `fit` trains it.

    A score is >= 0, in the unit of the architecture; higher is worse. It is equal to the bit however the windows are
    cut into batches. A window that holds NaN or infinity scores NaN, and so are its reconstruction and explanation;
    the windows beside it are not affected. Scoring runs on one CPU thread: more workers scale it, not more threads.
    """

    def __init__(self, kind: str, net: Autoencoder, training: TrainingConfig, seed: int) -> None:
        self.kind = kind
        self.length = net.length
        self.channels = net.channels
        self.seed = seed
        self.training = training
        self._net = net
        self._scaler: Scaler | None = None
        self._training_scores: ScoreSummary | None = None
        self._history: History | None = None
        self._data: dict[str, Any] = {}

    @property
    def training_scores(self) -> ScoreSummary:
        """Scores of the clean mode of the windows held out from training. Raises NotFittedError before `fit`."""
        if self._training_scores is None:
            raise self._not_fitted()
        return self._training_scores

    @property
    def history(self) -> History:
        """The loss curve of the training. Raises NotFittedError before `fit`."""
        if self._history is None:
            raise self._not_fitted()
        return self._history

    def fit(self, windows: ArrayLike, *, progress: bool | None = None) -> Self:
        """Train on windows (n, length, channels) in time order; the last part of them is held out.

        They need not be clean, only mostly so. Windows that hold NaN are left out. `progress` None shows a bar on a
        terminal only. Raises ShapeError, and DataError when fewer than 20 complete windows are given.
        """
        given = as_windows(windows, self.length, self.channels)
        whole = complete(given)
        learn, held_out = split(whole, self.training.validation)
        self._scaler = Scaler.robust(learn)
        with _one_thread():  # nets this small gain nothing from a second one, and lose much beside a busy process
            self._history = train(
                self._net,
                torch.from_numpy(self._scaler.forward(learn)),
                torch.from_numpy(self._scaler.forward(held_out)),
                self.training,
                seed=self.seed,
                progress=progress,
            )
        self._training_scores = ScoreSummary.of(self.score(held_out))
        self._data = {"windows": len(whole), "incomplete": len(given) - len(whole), "sha256": _digest(whole)}
        return self

    def score(self, windows: ArrayLike) -> Float32:
        """How badly each window is explained, float32 (n,): >= 0, higher is worse; NaN for incomplete windows."""
        scaled = self._scaled(windows)
        return self._run(scaled, lambda x: self._net.score(x, self._net(x)), np.empty(len(scaled), np.float32))

    def reconstruct(self, windows: ArrayLike) -> Float32:
        """What the detector expected to see, float32 (n, length, channels), in the units of the input."""
        scaled = self._scaled(windows)
        return self._fitted().backward(self._run(scaled, self._net, np.empty_like(scaled)))

    def explain(self, windows: ArrayLike) -> Float32:
        """Share of each cell in its window's score, float32 (n, length, channels), summing to 1 per window."""
        scaled = self._scaled(windows)
        blame = self._run(scaled, lambda x: self._net.contribution(x, self._net(x)), np.empty_like(scaled))
        total = blame.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
        even = 1 / (self.length * self.channels)  # nothing is to blame for a perfect reconstruction
        return np.where(total == 0, even, blame / np.where(total == 0, 1, total)).astype(np.float32)

    def save(self, path: str | Path, *, channel_names: Sequence[str] = (), span: tuple[int, int] | None = None) -> None:
        """Write the artefact folder `path`, at once or not at all; an artefact already there is replaced.

        `channel_names` and `span` (first and last time of the training data, ns) are kept in the manifest for people.
        """
        manifest = {
            "kind": self.kind,
            "length": self.length,
            "channels": self.channels,
            "channel_names": list(channel_names),
            "seed": self.seed,
            "config": {**asdict(self._net.config), **asdict(self.training)},
            "scaler": self._fitted().to_dict(),
            "training_scores": self.training_scores.to_dict(),
            "history": asdict(self.history),
            "data": {**self._data, "span": span},
            "versions": {name: version(name) for name in ("watchkeeper", "torch", "numpy", "safetensors")},
        }
        artefact.save(Path(path), {name: t.contiguous() for name, t in self._net.state_dict().items()}, manifest)

    def restore(self, manifest: artefact.Manifest, weights: dict[str, Tensor]) -> Self:
        """Take over what `save` wrote; `models.load` calls this. Raises ArtefactError when it does not fit."""
        try:
            self._net.load_state_dict(weights)
            self._scaler = Scaler.from_dict(manifest["scaler"])
            self._training_scores = ScoreSummary.from_dict(manifest["training_scores"])
            self._history = History.from_dict(manifest["history"])
            self._data = {name: value for name, value in manifest["data"].items() if name != "span"}
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ArtefactError(f"weights and manifest do not fit each other: {error}; retrain the model") from error
        if self._scaler.centre.shape != (self.channels,) or self._scaler.scale.shape != (self.channels,):
            raise ArtefactError(f"the manifest's scaler is not for {self.channels} channels; retrain the model")
        self._net.eval()
        return self

    def _scaled(self, windows: ArrayLike) -> Float32:
        scaler = self._fitted()
        scaled = scaler.forward(as_windows(windows, self.length, self.channels))
        scaled[~np.isfinite(scaled).all(axis=(1, 2))] = np.nan
        return scaled

    def _run(self, scaled: Float32, compute: Callable[[Tensor], Tensor], out: Float32) -> Float32:
        """Fill `out` row by row with `compute` of chunks that are padded to a multiple of ROWS.

        On one thread, torch computes a row to the same bits in every batch of such a size; in other sizes, or shared
        between threads, the last bit of a row would depend on the rows beside it.
        """
        with _one_thread(), torch.inference_mode():
            for start in range(0, len(scaled), self._net.chunk):
                part = scaled[start : start + self._net.chunk]
                padded = np.zeros((len(part) + -len(part) % ROWS, *part.shape[1:]), np.float32)
                padded[: len(part)] = part
                out[start : start + len(part)] = compute(torch.from_numpy(padded))[: len(part)].numpy()
        return out

    def _fitted(self) -> Scaler:
        if self._scaler is None:
            raise self._not_fitted()
        return self._scaler

    def _not_fitted(self) -> NotFittedError:
        return NotFittedError(f"this {self.kind} detector has not been fitted; call fit(windows) first")


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
