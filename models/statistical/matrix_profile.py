"""Left discord of a matrix profile: the part of a window whose shape has the fewest like it in the past.

A matrix profile holds, for each subsequence of a series, the distance to its nearest neighbour after z-normalisation
(Yeh et al. 2016, doi:10.1109/ICDM.2016.0179); the left one looks at the past only. A discord is where it is largest.
Here the subsequences of a window, half as long as it, are compared with those of the windows learned from, and the
score is the largest of their distances to the k-th nearest one, as the root mean square over the readings.

- k is 5 at least: a fault that came twice is no discord for k = 1 (the "twin freak"). Subsequences that
  overlap count as one neighbour (`models.statistical.references`).
- Departure from the paper: to the squared distance in shape those in mean and in standard deviation are added, in
  scaled units. A squared Euclidean distance is the sum of just these three, with shape weighed by both deviations:
  `d^2 = (m - m')^2 + (s - s')^2 + s s' z^2`. Without mean and deviation, ten times the usual signal or another level
  would be normal; with the weights, small wiggles would not count beside large ones.
- A subsequence whose standard deviation is below `FLAT` is divided by that: noise on a flat line is no shape.
- In a window `PLACES` subsequences are looked at. They are compared with those at every place of the past where windows
  slide, and with those at the same places where windows share no readings: beats and messages are aligned.
- The past are the clean windows, and of a longer one `references.KEPT` subsequences spread evenly over it. It is no
  online profile: what came after the training is not in the past until the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.artefacts.data import hop
from models.contract import Outputs
from models.errors import ConfigError
from models.statistical.past import Float64, PastConfig, PastEstimator, clean_rows, unknown
from models.statistical.references import References, narrow_root, widened

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

PLACES = 3  # subsequences of a window that are looked at: its first half, its last half, and those between
FLAT = 0.25  # standard deviation in scaled units: a quarter of a channel's usual spread


@dataclass(frozen=True)
class MatrixProfileConfig(PastConfig):
    """`neighbours` is k."""

    neighbours: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 5 <= self.neighbours <= 100:
            raise ConfigError(
                f"matrix_profile: neighbours = {self.neighbours}; it must be 5 to 100, "
                "so that a fault that came twice is still rare"
            )


class MatrixProfile(PastEstimator[MatrixProfileConfig]):
    """Keeps subsequences. See `models.contract.Estimator`; nothing is random, so the seed changes nothing."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedMatrixProfile:
        """See `Estimator.fit`."""
        length, channels = learn.shape[1:]
        step, size = hop(learn), half(length)
        clean = clean_rows(learn, self._config.keep).reshape(-1, length, channels)
        starts = places(length) if step == length else np.arange(length - size + 1)[-step:]  # the others came before
        found = subsequences(clean, size)[:, starts].reshape(-1, channels, size)
        together = max(len(starts), size * len(starts) / step)
        past = References.of(described(found), together, self._config.neighbours)
        return FittedMatrixProfile(past, (length, channels), self._config)


class FittedMatrixProfile:
    """Descriptions of past subsequences. See `models.contract.Fitted`."""

    history = None

    def __init__(self, past: References, shape: tuple[int, int], config: MatrixProfileConfig) -> None:
        self._past, self._config = past, config
        self._length, self._channels = shape

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return asdict(self._config)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        size = half(self._length)
        cells = np.arange(self._length * self._channels).reshape(1, self._length, self._channels)
        columns = subsequences(cells, size)[0, places(self._length)]  # (places, channels, size)
        parts = graph.node("Gather", widened(graph, x), graph.constant(columns), axis=1)
        mean_of = graph.constant(np.full((size, 1), 1 / size))
        mean = graph.node("MatMul", parts, mean_of)
        shape = graph.node("Sub", parts, mean)
        spread = graph.node("Sqrt", graph.node("MatMul", graph.node("Mul", shape, shape), mean_of))
        of_shape, of_rest = (graph.constant(weight) for weight in _weights(size))
        shape = graph.node("Div", shape, graph.node("Max", spread, graph.constant(FLAT)))
        scaled = [graph.node("Mul", shape, of_shape), *(graph.node("Mul", part, of_rest) for part in (mean, spread))]
        described = graph.node("Concat", *scaled, axis=3)
        rows = graph.node("Reshape", described, graph.constant([-1, self._channels * (size + 2)]))
        nearest = graph.node("Reshape", self._past.add_nearest(graph, rows), graph.constant([-1, len(columns)]))
        largest = graph.node("ReduceMax", nearest, graph.constant([1]), keepdims=0)
        return Outputs(narrow_root(graph, unknown(graph, largest, nearest, len(columns), np.float64)))

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        found = subsequences(windows, half(self._length))[:, places(self._length)]
        nearest = self._past.nearest(described(found.reshape(-1, *found.shape[2:])))
        return np.asarray(np.sqrt(nearest.reshape(len(windows), -1).max(axis=1)), np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {"subsequences": self._past.rows}


def half(length: int) -> int:
    """The length of a subsequence."""
    return (length + 1) // 2


def places(length: int) -> NDArray[np.int64]:
    """Where the subsequences that are looked at start."""
    return np.unique(np.linspace(0, length - half(length), PLACES).round().astype(np.int64))


def subsequences(windows: NDArray[Any], size: int) -> NDArray[Any]:
    """(n, length, channels) -> (n, length - size + 1, channels, size)."""
    return sliding_window_view(windows, size, axis=1)


def described(parts: NDArray[np.floating]) -> Float64:
    """(n, channels, size) -> (n, channels * (size + 2)): shape, mean and standard deviation of each channel.

    Weighted so that the mean squared difference of two rows is the mean over channels of the sum of the three.
    """
    parts = parts.astype(np.float64)
    mean = parts.mean(axis=2, keepdims=True)
    spread = parts.std(axis=2, keepdims=True)
    of_shape, of_rest = _weights(parts.shape[2])
    shape = (parts - mean) / np.maximum(spread, FLAT)
    return np.concatenate([of_shape * shape, of_rest * mean, of_rest * spread], axis=2).reshape(len(parts), -1)


def _weights(size: int) -> tuple[float, float]:
    """Of a reading's shape, and of mean and standard deviation."""
    return float(np.sqrt((size + 2) / size)), float(np.sqrt(size + 2))
