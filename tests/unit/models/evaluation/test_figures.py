"""Events, ranges, volumes and oracles: against figures worked out by hand, and against those of aeon."""

from __future__ import annotations

import math

import numpy as np
import pytest

import models
from models.evaluation import figures, ranges
from models.evaluation.events import Events, events, runs
from models.evaluation.volume import soft_labels, vus_pr

# Of aeon 1.5.0 on `case(seed)`: VUS-PR, range precision, range recall with existence .3, range recall with front bias.
AEON = (
    (0.10718312801157812, 0.05263157894736842, 0.8444444444444444, 0.8333333333333334),
    (0.5533101410449162, 0.28985507246376807, 0.6818181818181818, 0.5366161616161615),
    (0.08323787194521963, 0.03571428571428571, 0.5138888888888888, 0.3055555555555556),
    (0.010382086717428404, 0.017241379310344827, 0.5333333333333333, 0.16666666666666669),
    (0.18671993697943992, 0.1111111111111111, 0.5631944444444444, 0.3566849816849817),
    (0.7743299995027969, 0.07142857142857142, 1.0, 1.0),
    (0.4810382303019711, 0.09090909090909091, 0.9066666666666666, 0.7777777777777777),
    (0.7726009521071927, 0.0784313725490196, 0.8703703703703703, 0.8222222222222223),
    (0.4685382185733197, 0.06779661016949153, 0.7454545454545454, 0.6338383838383839),
    (0.8127015370190103, 0.1, 0.9416666666666668, 0.8666666666666667),
    (0.7010490440175742, 0.08518518518518518, 1.0, 1.0),
    (0.2553677236817969, 0.06666666666666667, 0.5333333333333333, 0.2380952380952381),
)
Case = tuple[np.ndarray, np.ndarray, np.ndarray, int]


def case(seed: int) -> Case:
    """Labels, scores (of every third seed with ties), flags and the widest buffer."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(60, 500))
    truth = np.zeros(rows, bool)
    for _ in range(int(random.integers(1, 5))):
        first = int(random.integers(0, rows - 12))
        truth[first : first + int(random.integers(1, 12))] = True
    scores = random.normal(size=rows) + truth * random.uniform(0, 3)
    if seed % 3 == 0:
        scores = np.round(scores, 1)
    return truth, scores, scores > 1.0, int(random.integers(0, 40))


class TestEvents:
    def test_an_alert_that_begins_before_a_range_finds_it_without_delay_and_is_not_false(self) -> None:
        found = events([0, 0, 1, 1, 0, 0], [0, 1, 1, 0, 0, 1])

        assert found == Events(ranges=1, alerts=2, false=1, quiet=4, delays=(0,))

    def test_two_alerts_in_one_range_find_it_once(self) -> None:
        found = events([0, 1, 1, 1, 1], [0, 0, 1, 0, 1])

        assert (found.found, found.alerts, found.false, found.delays) == (1, 2, 0, (1,))

    def test_one_alert_over_two_ranges_finds_both(self) -> None:
        assert events([1, 0, 1], [1, 1, 1]).delays == (0, 0)

    def test_tallies_add_up(self) -> None:
        both = events([1, 1, 0], [0, 1, 0]) + events([0, 0, 0, 0], [0, 1, 0, 1])

        assert both == Events(1, 3, 2, 5, (1,))
        assert both.false_per_1000 == pytest.approx(400)

    def test_without_ranges_or_alerts_there_is_no_share(self) -> None:
        nothing = events([0, 0], [0, 0])

        assert [math.isnan(value) for value in (nothing.recall, nothing.precision, nothing.delay)] == [True] * 3
        assert nothing.false_per_1000 == 0

    def test_runs_reach_the_edges(self) -> None:
        assert runs([1, 0, 1, 1]).tolist() == [[0, 1], [2, 4]]


class TestRanges:
    def test_a_range_found_in_two_pieces_earns_half_of_its_share(self) -> None:
        assert ranges.recall([1, 1, 1, 1], [1, 0, 1, 1]) == pytest.approx(0.75 / 2)

    def test_an_alert_over_two_ranges_earns_half_of_its_share(self) -> None:
        assert ranges.precision([1, 0, 1, 0], [1, 1, 1, 1]) == pytest.approx(0.5 / 2)

    def test_the_early_rows_weigh_more_with_front(self) -> None:
        assert ranges.recall([1, 1, 1], [1, 0, 0], front=True) == pytest.approx(3 / 6)
        assert ranges.recall([1, 1, 1], [0, 0, 1], front=True) == pytest.approx(1 / 6)

    def test_without_ranges_or_alerts_there_is_none(self) -> None:
        assert math.isnan(ranges.recall([0], [1]))
        assert math.isnan(ranges.precision([1], [0]))
        assert ranges.f1(float("nan"), 0.0) == 0


class TestVolume:
    def test_slopes_are_worked_out_by_hand(self) -> None:
        soft = soft_labels(np.array([0, 0, 0, 1, 1, 0, 0, 0], bool), buffer=4)

        expected = [0, math.sqrt(0.5), math.sqrt(0.75), 1, 1, math.sqrt(0.75), 0, 0]
        np.testing.assert_allclose(soft, expected)

    def test_scores_equal_to_the_labels_are_perfect_without_tolerance(self) -> None:
        truth = np.arange(300) // 10 == 12

        assert vus_pr(truth, truth * 1.0, buffer=0) == pytest.approx(1)

    def test_tolerance_forgives_a_few_rows(self) -> None:
        truth = np.arange(300) // 10 == 12
        late = np.roll(truth, 5) * 1.0

        assert vus_pr(truth, late, buffer=40) > vus_pr(truth, late, buffer=0) + 0.05

    def test_one_class_has_no_volume(self) -> None:
        assert math.isnan(vus_pr(np.zeros(9, bool), np.arange(9.0), buffer=2))
        assert math.isnan(vus_pr(np.ones(9, bool), np.arange(9.0), buffer=2))


@pytest.mark.parametrize("seed", range(len(AEON)))
def test_they_are_what_aeon_says(seed: int) -> None:
    truth, scores, flags, buffer = case(seed)
    ours = (
        vus_pr(truth, scores, buffer), ranges.precision(truth, flags), ranges.recall(truth, flags, existence=0.3),
        ranges.recall(truth, flags, front=True),
    )  # fmt: skip

    assert ours == pytest.approx(AEON[seed])


def test_they_are_what_the_installed_aeon_says() -> None:
    theirs = pytest.importorskip("aeon.benchmarking.metrics.anomaly_detection", reason="aeon is not installed")
    for seed in range(12, 40):
        truth, scores, flags, buffer = case(seed)
        labels, predicted = truth.astype(int), flags.astype(int)
        ours = vus_pr(truth, scores, buffer), ranges.precision(truth, flags), ranges.recall(truth, flags)

        volume = theirs.range_pr_vus_score(labels, scores, max_buffer_size=buffer)
        shares = theirs.range_precision(labels, predicted), theirs.range_recall(labels, predicted)
        assert ours == pytest.approx((volume, *shares))


class TestFigures:
    def test_windows_have_figures_at_the_limit_and_of_the_order(self) -> None:
        at_limit, free = figures.of_windows([1, 2, 3, 9, 4, math.inf], [0, 0, 0, 0, 1, 1], limit=5.0)

        assert (at_limit.accuracy, at_limit.f1, free.roc_auc) == pytest.approx((4 / 6, 0.5, 7 / 8))
        assert at_limit.events is None
        assert free.vus_pr is None

    def test_a_row_that_was_not_judged_is_not_flagged(self) -> None:
        at_limit, free = figures.of_series([math.nan, 1, 7, 7, 1, 1], [0, 0, 0, 1, 1, 0], limit=5.0, buffer=2)

        assert at_limit.events == Events(ranges=1, alerts=1, false=0, quiet=4, delays=(0,))
        assert (at_limit.range_precision, at_limit.range_recall) == (0.5, 0.5)
        assert free.vus_pr == pytest.approx(vus_pr([0, 0, 0, 1, 1, 0], [0, 1, 7, 7, 1, 1], buffer=2))

    def test_the_oracle_searches_every_limit_and_keeps_ties_together(self) -> None:
        best = figures.oracle([1, 2, 2, 3], [0, 0, 1, 1])

        assert (best.accuracy, best.f1) == pytest.approx((0.75, 0.8))
        assert figures.oracle([5.0, 1.0], [0, 0]).accuracy == 1

    def test_no_limit_beats_the_oracle(self) -> None:
        truth, scores, _, _ = case(7)
        best = figures.oracle(scores, truth)
        found = [figures.of_windows(scores, truth, limit - 1e-4)[0] for limit in scores]

        assert best.f1 == pytest.approx(max(each.f1 for each in found))
        assert best.accuracy >= max(each.accuracy for each in found)

    def test_labels_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(models.DataError, match="3 scores but 2 labels"):
            figures.of_windows([1, 2, 3], [0, 1], limit=1.0)
