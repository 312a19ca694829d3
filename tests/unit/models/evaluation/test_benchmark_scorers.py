"""The scorers of NAB, SKAB and heartbeats: against figures worked out by hand, and against independent scorers."""

from __future__ import annotations

import importlib.util
import math
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from models.evaluation import beats, nab, skab

PEERS = Path(os.environ.get("WATCHKEEPER_DATA", Path(__file__).parents[5] / "shared" / "data")).parent / "bench"
SEEDS = range(20)


def peer(name: str) -> ModuleType:
    """An independent scorer, from the folder beside the data."""
    path = PEERS / f"{name}.py"
    if not path.is_file():
        pytest.skip(f"no independent scorer {path}; set WATCHKEEPER_DATA to the folder beside it")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, name, module)  # its dataclasses look there
        spec.loader.exec_module(module)
    return module


def sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


class TestNab:
    def test_an_alert_at_the_first_row_of_a_window_is_worth_all_and_at_the_last_next_to_nothing(self) -> None:
        worth = nab.Labels(100, ((50, 59),)).worth

        assert worth[50] == pytest.approx(1.0)
        assert worth[59] == pytest.approx(sigmoid(-0.1) / sigmoid(-1.0)) == pytest.approx(0.2482, abs=1e-4)

    def test_a_false_alert_costs_less_right_behind_a_window_and_all_elsewhere(self) -> None:
        worth = nab.Labels(200, ((50, 60),)).worth

        assert worth[:50].tolist() == [-1.0] * 50
        assert worth[61] == pytest.approx(sigmoid(0.1)) == pytest.approx(-0.2449, abs=1e-4)
        assert worth[90] == pytest.approx(sigmoid(3.0))
        assert worth[91] == -1.0

    def test_only_the_earliest_alert_of_a_window_counts(self) -> None:
        found = nab.tally(nab.Labels(1000, ((500, 599),)), [520, 550, 590])

        assert (found.hits, found.false, found.windows) == (1, 0, 1)
        assert found.reward == pytest.approx(sigmoid(-0.8) / sigmoid(-1.0))

    def test_probation_is_a_seventh_or_so_of_a_series_and_750_rows_at_most(self) -> None:
        assert [nab.Labels(rows).probation for rows in (0, 10, 1000, 5000, 20_000)] == [0, 1, 150, 750, 750]

    def test_alerts_and_windows_in_probation_do_not_exist(self) -> None:
        found = nab.tally(nab.Labels(1000, ((10, 149), (100, 160))), [20, 149])

        assert (found.hits, found.false, found.windows, found.labelled) == (0, 0, 1, 2)

    @pytest.mark.parametrize(("profile", "expected"), [("standard", 36.25), ("low_fp", 22.5), ("low_fn", 40.833333)])
    def test_profiles_weigh_misses_and_false_alerts(self, profile: str, expected: float) -> None:
        """Two windows, one of them missed, one hit at its first row; five false alerts at full cost."""
        found = nab.Tally(reward=1.0, cost=-5.0, hits=1, false=5, windows=2, labelled=2)

        assert found.score(profile) == pytest.approx(expected)

    def test_a_silent_detector_has_0_a_perfect_one_100_and_without_windows_there_is_no_score(self) -> None:
        labels = nab.Labels(1000, ((500, 599), (700, 720)))

        for profile in nab.PROFILES:
            assert nab.tally(labels, []).score(profile) == 0
            assert nab.tally(labels, [500, 700]).score(profile) == pytest.approx(100)
        assert math.isnan(nab.tally(nab.Labels(1000), [500]).score("standard"))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_it_is_what_the_independent_scorer_says(self, seed: int) -> None:
        other, random = peer("nab_score"), np.random.default_rng(seed)
        times = pd.date_range("2026-01-01", periods=6000, freq="5min").astype(str)
        geometries, scores, tallies = {}, {}, []
        for number in range(4):
            rows = int(random.integers(400, 6000))
            edges = np.sort(random.choice(rows, 2 * int(random.integers(0, 4)), replace=False)).reshape(-1, 2)
            alerts = random.choice(rows, int(random.integers(0, 30)), replace=False)
            name = f"kind{number % 2}/{number}"
            geometries[name] = other.geometry(name, times[:rows], [(times[a], times[b]) for a, b in edges.tolist()])
            scores[name] = np.isin(np.arange(rows), alerts).astype(float)
            tallies.append(nab.tally(nab.Labels(rows, tuple((a, b) for a, b in edges.tolist())), alerts))

        report = other.evaluate(geometries, scores, dict.fromkeys(other.PROFILES, 0.5))
        found = nab.total(tallies)
        for profile in nab.PROFILES:
            theirs = report[profile]
            assert (found.hits, found.false, found.windows) == (theirs["hits"], theirs["fp"], theirs["windows"])
            assert found.score(profile) == pytest.approx(theirs["score"], abs=1e-9, nan_ok=True)


class TestSkab:
    def test_outliers_are_counted_by_row(self) -> None:
        found = skab.outliers([0, 0, 0, 0, 1, 1], [1, 0, 0, 0, 1, 0]) + skab.outliers([0, 1], [0, 1])

        assert found == skab.Outliers(true=2, false=1, missed=1, quiet=4)
        assert found.f1 == pytest.approx(2 / 3)
        assert found.false_alarms == pytest.approx(20)
        assert found.misses == pytest.approx(100 / 3)

    def test_the_first_detection_in_the_minute_counts_and_others_there_cost_nothing(self) -> None:
        second = 10**9
        found = skab.changepoints([100 * second], [100 * second, 130 * second, 160 * second, 161 * second])

        assert (found.found, found.missed, found.false, found.promptness) == (1, 0, 1, 1.0)
        assert found.score("standard") == pytest.approx(100 * (1 - 0.11 + 1) / 2)

    def test_half_a_minute_late_is_worth_half(self) -> None:
        found = skab.changepoints([0], [30 * 10**9])

        assert found.promptness == pytest.approx(0.5, abs=0.002)
        assert found.mean_delay == 30
        assert found.score("standard") == pytest.approx(100 * (0.5 * 1.11 - 0.11 + 1) / 2, abs=0.2)

    def test_minutes_that_overlap_are_cut(self) -> None:
        second = 10**9
        found = skab.changepoints([0, 20 * second], [15 * second, 60 * second])

        assert (found.found, found.missed, found.false) == (2, 0, 0)
        assert found.delay == 15.0

    def test_silence_is_0_and_the_truth_100(self) -> None:
        true = np.array([0, 100, 200]) * 10**9

        for profile in skab.PROFILES:
            assert skab.changepoints(true, []).score(profile) == 0
            assert skab.changepoints(true, true).score(profile) == pytest.approx(100)

    def test_flags_switch_where_they_begin_and_end(self) -> None:
        assert skab.switches([1, 1, 0, 0, 1]).tolist() == [0, 2, 4]

    @pytest.mark.parametrize("seed", SEEDS)
    def test_it_is_what_the_independent_scorer_says(self, seed: int) -> None:
        other, random = peer("skab_score"), np.random.default_rng(seed)
        truths, flags, counts, points = [], [], [], []
        for _ in range(3):
            rows = int(random.integers(300, 900))
            steps = random.choice([1, 1, 1, 2, 7], rows)
            when = pd.DatetimeIndex(pd.Timestamp("2026-01-01") + pd.to_timedelta(np.cumsum(steps), unit="s"))
            anomalous, flagged = (np.repeat(random.random(rows // 20 + 1) < 0.4, 20)[:rows] for _ in range(2))
            change = np.isin(np.arange(rows), random.choice(rows, 4, replace=False))
            truths.append(pd.DataFrame({"anomaly": anomalous * 1.0, "changepoint": change * 1.0}, index=when))
            flags.append(pd.Series(flagged * 1.0, index=when))
            counts.append(skab.outliers(anomalous, flagged))
            time = when.as_unit("ns").asi8
            points.append(skab.changepoints(time[change], time[skab.switches(flagged)]))

        theirs, their_points = other.evaluate(truths, flags)
        ours, our_points = skab.total_outliers(counts), skab.total_changepoints(points)
        assert ours.f1 == pytest.approx(theirs["F1"])
        assert ours.false_alarms == pytest.approx(theirs["FAR"])
        assert ours.misses == pytest.approx(theirs["MAR"])
        assert our_points.missed == their_points["missed"]
        assert our_points.false == their_points["FPs"]
        for profile in skab.PROFILES:
            assert our_points.score(profile) == pytest.approx(their_points[profile], abs=1e-9)
        assert our_points.mean_delay == pytest.approx(their_points["mean_delay_s"])


class TestBeats:
    def test_each_mark_has_one_beat_at_most_and_the_closest_pair_comes_first(self) -> None:
        marks, found = np.array([100, 110, 300]), np.array([104, 109, 500])

        assert beats.match(marks, found, 15).tolist() == [0, 1, -1]
        assert beats.match(marks, np.array([109]), 15).tolist() == [-1, 0, -1]
        assert beats.match(marks, np.array([], np.int64), 15).tolist() == [-1, -1, -1]

    def test_a_premature_beat_that_was_not_found_is_missed_and_an_alarm_without_a_mark_is_false(self) -> None:
        record = beats.Record([100, 200, 300, 400], [200, 400], rate=100)
        found = beats.compare(record, [100, 200, 300, 350], [0.5, 2.0, 1.5, 1.1])

        assert (found.marks, found.found, found.matched, found.premature) == (4, 4, 3, 2)
        assert (found.alarms, found.true_alarms) == (3, 1)
        assert found.precision == pytest.approx(1 / 3)
        assert found.recall == 0.5
        assert found.auc == 1.0

    def test_what_lies_before_the_start_and_what_was_not_judged_does_not_count(self) -> None:
        record = beats.Record([100, 200, 300], [100, 200], rate=100)
        found = beats.compare(record, [100, 200, 300], [9.0, math.nan, 0.3], start=1.5)

        assert (found.marks, found.alarms, found.true_alarms, found.recall) == (2, 0, 0, 0.0)
        assert math.isnan(found.auc)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_it_is_what_the_independent_scorer_says(self, seed: int) -> None:
        other, random = peer("beat_score"), np.random.default_rng(seed)
        marks = np.cumsum(random.integers(40, 400, 200))
        found = np.unique(random.choice(marks, 150, replace=False) + random.integers(-60, 60, 150))

        theirs = other.match(marks, found, 54)
        assert beats.match(marks, found, 54).tolist() == theirs.tolist()
        premature = random.random(200) < 0.2
        ratio = random.choice([0.2, 0.8, 1.2, 3.0], len(found))
        ours = beats.compare(beats.Record(marks, marks[premature], 360), found, ratio)
        score = np.where(theirs >= 0, ratio[np.maximum(theirs, 0)], np.nan)
        known = np.isfinite(score)
        assert ours.matched == int((theirs >= 0).sum())
        assert ours.auc == pytest.approx(other.auc(score[known], premature[known]), nan_ok=True)
        assert ours.true_alarms == int((np.nan_to_num(score)[premature] > 1).sum())
