"""Beats that come early are surprising, in every rhythm; those that follow what was none are not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from monitor.pipeline.scoring.companions.rhythm import Intervals, Rhythm
from monitor.records.batches import Float32

NONE = float("nan")
LOUD_NOISE, SOME_SHARE = 3.0, 0.05  # times the usual; of a beat's height


def surprise(
    *intervals: float, noise: float = 1.0, share: float = 0.01, alike: float = NONE, lost: tuple[int, ...] = ()
) -> Float32:
    """Of beats with these intervals before them; the one after each is known. `lost`: beats too noisy to judge.

    All have this much noise around them, and neighbours that are so much `alike`.
    """
    rhythm = Rhythm()
    rhythm.grow(1)
    before, after = np.array(intervals), np.array([*(after for _, after in pairwise(intervals)), NONE])
    stream, of_all = np.zeros(len(intervals), np.int32), np.ones(len(intervals))
    not_judged = np.isin(np.arange(len(intervals)), lost)
    about = (noise * of_all, share * of_all, alike * of_all)
    return rhythm.score(Intervals(stream, before, after, *about, not_judged))


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


def test_a_second_ectopic_beat_is_as_early_as_it_comes() -> None:
    """It is not like the beat before the first one."""
    found = surprise(NONE, *[0.9] * 8, 0.5, 0.45, 1.4, alike=0.2)

    assert (found[9:11] > 2.7).all()


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

    noisy, quiet = surprise(*intervals, noise=LOUD_NOISE), surprise(*intervals)

    assert np.nanmax(noisy[:13]) < 0.1
    assert quiet[9] > 3
    assert noisy[13] > 2.5  # followed by a pause


def test_a_pair_of_ectopic_beats_in_noise_stays_surprising() -> None:
    found = surprise(NONE, *[0.8] * 8, 0.5, 0.5, 1.2, 0.8, noise=LOUD_NOISE)

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


def test_the_interval_begins_at_a_beat_that_is_too_noisy_to_judge_and_was_due() -> None:
    """In time, or after the pause that makes up for an early beat; not where that pause is not over."""
    in_time = surprise(NONE, *[0.8] * 9, 0.5, 1.1, 0.8, lost=(9,))
    after_early = surprise(NONE, *[0.8] * 8, 0.5, 1.1, 0.5, 1.1, lost=(10,))
    in_the_pause = surprise(NONE, *[0.8] * 8, 0.5, 0.7, 0.4, 0.8, lost=(10,))

    assert in_time[10] > 2.5
    assert after_early[11] > 2.5
    assert in_the_pause[11] < 0.1


def test_what_follows_a_beat_that_was_due_as_soon_as_only_noise_does_is_in_time() -> None:
    found = surprise(NONE, *[0.8] * 8, 0.75, 0.25, 0.8, lost=(9,))

    assert np.nanmax(found) < 0.1


def test_in_loud_noise_no_beat_comes_sooner_than_the_heart_can() -> None:
    noisy, quiet = (surprise(NONE, *[1.0] * 8, 0.3, 1.2, 1.0, noise=noise) for noise in (LOUD_NOISE, 1.0))

    assert np.nanmax(noisy) < 0.1
    assert quiet[9] > 3


def test_a_pair_of_ectopic_beats_is_told_from_noise_by_the_complexes_around_the_first() -> None:
    """Both are together one expected interval; the second is not like the beat before the first."""
    intervals = (NONE, *[0.9] * 8, 0.5, 0.42, 1.3, 0.9)

    pair, noise = (surprise(*intervals, noise=LOUD_NOISE, alike=alike) for alike in (0.2, 0.9))

    assert pair[9] > 2.7
    assert noise[9] == 0


def test_where_gaps_are_not_quiet_a_beat_between_two_of_a_kind_is_none() -> None:
    intervals = (NONE, *[0.8] * 8, 0.38, 0.42, 0.8)

    much, less, not_known = (surprise(*intervals, share=SOME_SHARE, alike=alike) for alike in (0.98, 0.9, NONE))
    quiet = surprise(*intervals, alike=0.98)  # an interpolated ectopic beat

    assert np.nanmax(much) < 0.1
    assert less[9] > 3
    assert not_known[9] > 3
    assert quiet[9] > 3
