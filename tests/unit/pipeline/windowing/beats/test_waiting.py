"""How long beats wait: early ones for the next, others for the samples of their window."""

from __future__ import annotations

import numpy as np

from monitor.pipeline.windowing.beats.found import Found
from monitor.pipeline.windowing.beats.waiting import LONGEST, wait
from monitor.records.batches import Float64, Int64

RATE, BEHIND, LATEST = 100.0, 45, 30


def waited(peaks: list[int], expected: float = 1.0) -> tuple[Int64, Float64]:
    """Beats of one stream at 100 Hz, each found when its next 30 samples are known."""
    peak = np.array(peaks, np.int64)
    interval = np.diff(peak, prepend=peak[0] - 100) / RATE
    found = Found(np.zeros_like(peak), peak, peak + LATEST, interval, interval / expected, np.ones(len(peak)))
    return wait(found, RATE, BEHIND, LATEST)


def test_beats_in_time_wait_for_their_last_samples_only() -> None:
    needed, after = waited([100, 200, 300])

    assert needed.tolist() == [145, 245, 345]
    assert np.isnan(after).all()


def test_an_early_beat_is_emitted_with_the_next_one() -> None:
    """At 240: 60 samples before one that is in time."""
    needed, after = waited([100, 200, 240, 300])

    assert needed.tolist()[2] == 300 + LATEST
    assert after[2] == 0.6


def test_where_a_pause_follows_it_waits_until_the_next_one_would_be_late() -> None:
    needed, after = waited([100, 200, 240, 400])

    assert abs(needed[2] - (240 + 115 - 40 + LATEST)) <= 1
    assert np.isnan(after).all()


def test_what_comes_next_does_not_depend_on_what_is_known_by_then() -> None:
    """The same with and without the next beat among those found, where it comes too late."""
    assert waited([100, 200, 240, 400])[0][2] == waited([100, 200, 240])[0][2]


def test_no_beat_waits_longer_than_its_samples_are_kept() -> None:
    needed, _ = waited([100, 110], expected=4.0)

    assert needed[1] <= 110 + LONGEST * RATE


def test_a_beat_without_an_interval_does_not_wait() -> None:
    none = np.array([np.nan])
    found = Found(np.zeros(1, np.int64), np.array([100]), np.array([130]), none, np.ones(1), np.ones(1))

    assert wait(found, RATE, BEHIND, LATEST)[0].tolist() == [145]
