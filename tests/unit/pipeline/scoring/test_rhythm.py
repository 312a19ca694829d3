"""Beats that come early are surprising, in every rhythm; those that follow what was none are not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from monitor.pipeline.scoring.companions.rhythm import Intervals, Rhythm
from monitor.records.batches import Float32

NONE = float("nan")


def surprise(*intervals: float, noisy: bool = False, lost: tuple[int, ...] = ()) -> Float32:
    """Of beats with these intervals before them; the one after each is known. `lost`: beats too noisy to judge."""
    rhythm = Rhythm()
    rhythm.grow(1)
    after = np.array([*(after for _, after in pairwise(intervals)), NONE])
    stream = np.zeros(len(intervals), np.int32)
    loud = np.full(len(intervals), noisy)
    return rhythm.score(Intervals(stream, np.array(intervals), after, loud, np.isin(np.arange(len(intervals)), lost)))


def test_a_premature_beat_is_surprising_and_the_pause_after_it_is_not() -> None:
    found = surprise(NONE, *[0.8] * 8, 0.5, 1.1, 0.8, 0.8)

    assert found[9] > 2.5
    assert np.nanmax(np.delete(found, 9)) < 0.1


def test_four_fifths_of_the_interval_are_a_surprise_of_two() -> None:
    assert abs(surprise(NONE, *[1.0] * 8, 0.8)[-1] - 2) < 1e-5


def test_ectopic_beats_after_each_normal_one_stay_surprising() -> None:
    found = surprise(NONE, *[0.8] * 8, *[0.5, 1.1] * 40)

    assert (found[9::2] > 2.5).all()
    assert (found[10::2] < 0.1).all()


def test_runs_of_two_ectopic_beats_stay_surprising() -> None:
    found = surprise(NONE, *[1.0] * 8, *[0.55, 0.5, 1.35] * 30)

    assert (found[9::3] > 2).all()


def test_a_beat_after_one_that_was_none_is_in_time() -> None:
    """Noise was taken for a beat: two early intervals are together one."""
    found = surprise(NONE, *[0.8] * 8, 0.35, 0.45, 0.8)

    assert found[9] > 3
    assert found[10] < 2


def test_after_an_interval_that_is_not_known_nothing_is_said() -> None:
    found = surprise(NONE, *[0.8] * 8, NONE, 0.3, 0.8, 0.5)

    assert np.isnan(found[9:11]).all()
    assert found[11] < 0.1
    assert found[12] > 2.5


def test_a_slower_heart_is_no_surprise_and_a_faster_one_only_at_first() -> None:
    found = surprise(NONE, *[0.8] * 8, *[1.2] * 20, *[0.6] * 20)

    assert np.nanmax(found[:29]) < 0.1
    assert found[-1] < 0.1


def test_a_beat_between_two_that_are_in_time_is_noise_where_there_is_noise() -> None:
    """A lead without noise may hold such a beat: it is ectopic."""
    intervals = (NONE, *[0.8] * 8, 0.35, 0.45, 0.8, 0.8, 0.5, 1.1)

    noisy, quiet = surprise(*intervals, noisy=True), surprise(*intervals)

    assert np.nanmax(noisy[:13]) < 0.1
    assert quiet[9] > 3
    assert noisy[13] > 2.5  # followed by a pause


def test_a_pair_of_ectopic_beats_in_noise_stays_surprising() -> None:
    found = surprise(NONE, *[0.8] * 8, 0.5, 0.5, 1.2, 0.8, noisy=True)

    assert (found[9:11] > 2.5).all()


def test_the_interval_goes_on_over_a_beat_that_is_too_noisy_to_judge() -> None:
    """It may be noise between two beats, of which the second is in time, or early."""
    found = surprise(NONE, *[0.8] * 8, 0.3, 0.5, 0.8, 0.2, 0.3, 0.8, lost=(9, 12))

    assert np.isnan(found[[9, 12]]).all()
    assert found[10] < 0.1
    assert found[13] > 2.5


def test_a_stream_that_begins_again_forgets_a_beat_too_noisy_to_judge() -> None:
    found = surprise(NONE, *[0.8] * 8, 0.3, NONE, 0.8, 0.5, lost=(9,))

    assert np.isnan(found[9:12]).all()
    assert found[12] > 2.5
