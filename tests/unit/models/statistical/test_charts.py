"""Run lengths of the charts by simulation, against published tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.statistical import charts

Float64 = NDArray[np.float64]
Chart = Callable[[Float64, tuple[Float64, ...]], tuple[Float64, tuple[Float64, ...]]]
BLOCK = 256


def xbar(values: Float64, before: tuple[Float64, ...]) -> tuple[Float64, tuple[Float64, ...]]:
    return charts.xbar(values), ()


def run_rules(values: Float64, before: tuple[Float64, ...]) -> tuple[Float64, tuple[Float64, ...]]:
    """The last seven steps are seen again, for the runs that go on."""
    whole = np.concatenate([*before, values], axis=1)
    return charts.run_rules(whole)[:, whole.shape[1] - BLOCK :], (values[:, -7:],)


def ewma(values: Float64, before: tuple[Float64, ...]) -> tuple[Float64, tuple[Float64, ...]]:
    averages = charts.ewma(values, *before)
    return np.abs(averages) / (charts.WIDTH * charts.DEVIATION), (averages[:, -1],)


def cusum(decision: float) -> Chart:
    def chart(values: Float64, before: tuple[Float64, ...]) -> tuple[Float64, tuple[Float64, ...]]:
        upper, lower = (charts.cusum(side, *before[at : at + 1]) for at, side in enumerate((values, -values)))
        return np.maximum(upper, lower) / decision, (upper[:, -1], lower[:, -1])

    return chart


def run_length(chart: Chart, moved: float, runs: int) -> float:
    """Mean number of steps to the first signal, of many processes whose mean has moved by so many deviations."""
    random = np.random.default_rng(0)
    lengths, going = np.zeros(runs), np.arange(runs)
    before: tuple[Float64, ...] = ()
    for block in range(200):
        values = np.asfortranarray(random.standard_normal((BLOCK, len(going))).T) + moved  # step by step in memory
        excess, before = chart(values, before)
        signals = excess > 1
        ended = signals.any(axis=1)
        lengths[going[ended]] = block * BLOCK + signals[ended].argmax(axis=1) + 1
        going, before = going[~ended], tuple(kept[~ended] for kept in before)
        if not len(going):
            return float(lengths.mean())
    raise AssertionError("some never signal")


@pytest.mark.parametrize(
    ("chart", "moved", "published"),
    [
        (xbar, 0.0, 370.4),
        (ewma, 0.0, 500.0),
        (cusum(4.0), 0.0, 168.0),
        (cusum(5.0), 0.0, 465.0),
        (cusum(4.0), 1.0, 8.4),
        (cusum(5.0), 1.0, 10.4),
    ],
    ids=["xbar", "ewma", "cusum-4", "cusum-5", "cusum-4-moved", "cusum-5-moved"],
)
def test_run_lengths_are_those_of_the_tables(chart: Chart, moved: float, published: float) -> None:
    assert run_length(chart, moved, runs=20_000) == pytest.approx(published, rel=0.03)


def test_run_rules_signal_four_times_as_often() -> None:
    """91.75: Champ and Woodall 1987, doi:10.1080/00401706.1987.10488266."""
    assert run_length(run_rules, 0.0, runs=5_000) == pytest.approx(91.75, rel=0.05)


def test_each_run_rule_is_at_its_line() -> None:
    def last(*values: float) -> float:
        return float(charts.run_rules(np.array([values]))[0, -1])

    assert last(0, 0, 3.3) == pytest.approx(1.1)
    assert last(2.3, 0, 2.3) == pytest.approx(1.1)  # two of three beyond two
    assert last(-2.3, 0, 2.3) < 1  # on one side only
    assert last(1.3, 1.3, 0, 1.3, 1.3) == pytest.approx(1.1)  # four of five beyond one
    assert last(*[0.3] * 8) == pytest.approx(1.1)  # eight on one side
    assert last(*[0.3] * 7) < 1


def test_charts_go_on_from_where_they_were() -> None:
    values = np.random.default_rng(1).normal(size=(3, 50))

    for chart in (charts.ewma, charts.cusum):
        first = chart(values[:, :20])
        np.testing.assert_array_equal(chart(values)[:, 20:], chart(values[:, 20:], first[:, -1]))


def test_the_limit_of_a_standard_deviation_is_that_of_the_table() -> None:
    assert charts.spread_limit(5) == pytest.approx(1.964, abs=1e-3)
    assert charts.spread_limit(10) == pytest.approx(1.669, abs=1e-3)
