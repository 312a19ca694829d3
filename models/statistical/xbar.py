"""Control charts over the readings of a window: X̄ and S with run rules, a moving average, or cumulative sums.

The classic of process control: how far does the level (or the spread) of a window leave what was usual, in units of the
limit at which the chart signals? The score is the largest excess of any step and channel. `chart` says which:

- `xbar`: means of subgroups of `SUBGROUP` readings by Shewhart's limit and the run rules of Western Electric, and their
  standard deviations by the limit of the S chart.
- `ewma` and `cusum`: smaller lasting shifts, sooner. `models.statistical.charts` has limits, papers and run lengths.

Charts are for independent readings around one mean. So from each reading the mean of its place in the window is taken,
then what the `ORDER` readings before it let expect (autoregression by least squares; the first ones of a window go
without), and the rest is divided by its standard deviation at that place (Alwan and Roberts 1988,
doi:10.1080/07350015.1988.10509640). All three are learned from the clean windows of the past.

Departures: a chart begins at 0 with each window, so it knows no more of the past than the window holds; the limit of
the scores comes from held-out windows as for every kind, as a window has many steps that could signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.contract import Outputs
from models.options import refuse_unknown
from models.statistical import charts
from models.statistical.past import NOISE, Float64, PastConfig, PastEstimator, clean_rows, unknown

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

SUBGROUP = 5
ORDER = 2
MOST_NUMBERS = 2**22  # of a matrix that turns windows of all channels at once into series
OF_CHANNEL = 20  # windows: so much the variance of a channel counts in those of its places

XBAR, EWMA, CUSUM = CHARTS = ("xbar", "ewma", "cusum")


@dataclass(frozen=True)
class XbarConfig(PastConfig):
    """`chart` is which one the readings are drawn on."""

    chart: str = XBAR

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unknown("xbar: chart", [self.chart], CHARTS)


class Xbar(PastEstimator[XbarConfig]):
    """Learns what is usual. See `models.contract.Estimator`; nothing is random, so the seed changes nothing."""

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedXbar:
        """See `Estimator.fit`."""
        rows = clean_rows(learn, self._config.keep)
        _, length, channels = learn.shape
        mean = rows.mean(axis=0)
        around = (rows - mean).reshape(len(rows), length, channels)
        filters = np.stack([_innovation_filter(around[:, :, channel]) for channel in range(channels)])
        return FittedXbar(mean.reshape(length, channels), filters, self._config)


class FittedXbar:
    """Means (length, channels) and filters (channels, length, length): standardised readings are (x - mean) @ filter.

    See `models.contract.Fitted`.
    """

    history = None

    def __init__(self, mean: Float64, filters: Float64, config: XbarConfig) -> None:
        self._mean, self._filters, self._config = mean, filters, config

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return asdict(self._config)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        moved = graph.node("Sub", x, graph.floats(self._mean.ravel()))
        chart = _ChartGraph(graph, moved, self._filters)
        excess = {XBAR: chart.xbar, EWMA: chart.ewma, CUSUM: chart.cusum}[self._config.chart]()
        largest = graph.node("ReduceMax", excess, graph.constant([1, 2]), keepdims=0)
        return Outputs(unknown(graph, largest, moved, self._mean.size))

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        around = (windows - self._mean).transpose(2, 0, 1)  # (channels, n, length)
        values = (around @ self._filters).reshape(-1, len(self._mean))
        excess = {XBAR: _xbar, EWMA: _ewma, CUSUM: _cusum}[self._config.chart](values)
        return np.asarray(excess.reshape(len(self._filters), len(windows)).max(axis=0), np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {"mean": self._mean.astype(np.float32), "filters": self._filters.astype(np.float32)}


def _innovation_filter(around: Float64) -> Float64:
    """Matrix (length, length) that makes a channel's windows (n, length), less their mean, standardised innovations."""
    count, length = around.shape
    order = min(ORDER, length - 1)
    matrix = np.eye(length)
    if order:
        before = np.stack([around[:, order - lag : length - lag].ravel() for lag in range(1, order + 1)], axis=1)
        square = before.T @ before + np.eye(order) * NOISE**2 * len(before)
        factors = np.linalg.solve(square, before.T @ around[:, order:].ravel())
        for lag, factor in enumerate(factors, 1):
            matrix -= np.diag(np.where(np.arange(length - lag) + lag >= order, factor, 0), lag)
    variances = np.square(around @ matrix).mean(axis=0)
    shared = (count * variances + OF_CHANNEL * variances.mean()) / (count + OF_CHANNEL)
    return np.asarray(matrix / np.sqrt(shared + NOISE**2))


def _subgroups(length: int) -> tuple[Float64, int]:
    """Matrix (length, m) that gives each subgroup's mean; the newest are whole, the oldest readings may be left out."""
    size = min(SUBGROUP, length)
    count = length // size
    return np.repeat(np.eye(count), size, axis=0) / size, size


def _xbar(values: Float64) -> Float64:
    """Largest excess of each row of standardised readings (n, length)."""
    means, size = _subgroups(values.shape[1])
    groups = values[:, values.shape[1] - len(means) :].reshape(len(values), -1, size)
    centres = charts.run_rules(groups.mean(axis=2) * np.sqrt(size)).max(axis=1)
    if size < 2:
        return np.asarray(centres)
    return np.asarray(np.maximum(centres, groups.std(axis=2, ddof=1).max(axis=1) / charts.spread_limit(size)))


def _ewma(values: Float64) -> Float64:
    return np.asarray(np.abs(charts.ewma(values)).max(axis=1) / (charts.WIDTH * charts.DEVIATION))


def _cusum(values: Float64) -> Float64:
    return np.asarray(np.maximum(charts.cusum(values), charts.cusum(-values)).max(axis=1) / charts.DECISION)


class _ChartGraph:
    """The same as nodes of a graph, from rows of readings less their means; each gives excesses (n, any, steps)."""

    def __init__(self, graph: Graph, moved: str, filters: Float64) -> None:
        self._graph, self._moved, self._filters = graph, moved, filters
        self._length = filters.shape[1]

    def xbar(self) -> str:
        """See `_xbar`."""
        means, size = _subgroups(self._length)
        means = np.vstack([np.zeros((self._length - len(means), means.shape[1])), means])  # (length, m)
        found = [self._run_rules(self._series(means * np.sqrt(size)), means.shape[1])]
        if size > 1:
            within = np.eye(self._length) - means @ (means.T > 0)
            away = self._series(within[:, self._length - size * means.shape[1] :])
            grouped = self._reshape(self._node("Mul", away, away), (-1, size))
            total = self._node("MatMul", grouped, self._graph.floats(np.full((size, 1), 1 / (size - 1))))
            spread = self._node("Sqrt", self._reshape(total, (len(self._filters), means.shape[1])))
            found.append(self._node("Mul", spread, self._graph.floats([1 / charts.spread_limit(size)])))
        return self._largest(found)

    def ewma(self) -> str:
        """See `_ewma`."""
        averages = charts.ewma(np.eye(self._length)) / (charts.WIDTH * charts.DEVIATION)
        return self._node("Abs", self._series(averages))

    def cusum(self) -> str:
        """See `_cusum`: a sum of all steps so far, less the least of the sums before."""
        sums = np.triu(np.ones((self._length, self._length + 1)), 1)  # a first sum, of nothing
        sides = self._both_sides(self._series(sums))
        drift = charts.REFERENCE * np.arange(self._length + 1)
        total = self._node("Sub", sides, self._graph.floats(drift))
        least, reach = total, 1
        while reach <= self._length:
            earlier = self._steps(least, 0, self._length + 1 - reach)
            later = self._node("Min", self._steps(least, reach, self._length + 1), earlier)
            least = self._node("Concat", self._steps(least, 0, reach), later, axis=2)
            reach *= 2
        return self._node("Mul", self._node("Sub", total, least), self._graph.floats([1 / charts.DECISION]))

    def _series(self, matrix: Float64) -> str:
        """Standardised readings of each channel times a matrix (length, m): (n, channels, m)."""
        channels = len(self._filters)
        if channels * self._length * channels * matrix.shape[1] > MOST_NUMBERS:
            return self._series_by_channel(matrix)
        whole = np.zeros((self._length, channels, channels, matrix.shape[1]))
        for channel, by in enumerate(self._filters):
            whole[:, channel, channel] = by @ matrix
        rows = self._node("MatMul", self._moved, self._graph.floats(whole.reshape(self._length * channels, -1)))
        return self._reshape(rows, (channels, matrix.shape[1]))

    def _series_by_channel(self, matrix: Float64) -> str:
        """The same with a product for each channel: nearly all of one large matrix would be zeros."""
        readings, found = self._reshape(self._moved, (self._length, len(self._filters))), []
        for channel, by in enumerate(self._filters):
            of_channel = self._node("Gather", readings, self._graph.constant([channel]), axis=2)
            rows = self._reshape(of_channel, (1, self._length))
            found.append(self._node("MatMul", rows, self._graph.floats(by @ matrix)))
        return self._node("Concat", *found, axis=1)

    def _run_rules(self, series: str, steps: int) -> str:
        """See `charts.run_rules`."""
        sides = self._both_sides(series)
        found = [self._node("Mul", sides, self._graph.floats([1 / charts.SIGMAS]))]
        for some, among, line in charts.RULES:
            if steps >= among:
                least = self._some_of(sides, steps, some, among)
                scaled = self._node("Mul", least, self._graph.floats([1 / charts.SIGMAS]))
                found.append(self._node("Add", scaled, self._graph.floats([1 - line / charts.SIGMAS])))
        return self._largest(found)

    def _some_of(self, series: str, steps: int, some: int, among: int) -> str:
        """The least of the `some` largest of each run: at most one is left out, the largest of the least decides."""
        runs = [self._steps(series, first, first + steps - among + 1) for first in range(among)]
        if some == among:
            return self._node("Min", *runs)
        return self._node("Max", *(self._node("Min", *runs[:out], *runs[out + 1 :]) for out in range(among)))

    def _both_sides(self, series: str) -> str:
        return self._node("Concat", series, self._node("Neg", series), axis=1)

    def _largest(self, found: list[str]) -> str:
        """The largest of each row's values, (n, 1, 1)."""
        axes = self._graph.constant([1, 2])
        parts = [self._node("ReduceMax", part, axes) for part in found]
        return parts[0] if len(parts) == 1 else self._node("Max", *parts)

    def _steps(self, series: str, begin: int, end: int) -> str:
        return self._node("Slice", series, *(self._graph.constant([place]) for place in (begin, end, 2)))

    def _reshape(self, value: str, shape: tuple[int, int]) -> str:
        return self._node("Reshape", value, self._graph.constant([0, *shape]))

    def _node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        return self._graph.node(operator, *inputs, **attributes)
