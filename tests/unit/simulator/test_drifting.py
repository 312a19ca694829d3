"""Series that drift, and their spikes."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.simulator.drifting import KINDS, LEVEL, SPIKE, Drifting, drifting


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_make_equal_series_and_others_make_others(kind: str) -> None:
    first, again, other = (drifting(kind, 3000, np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert np.array_equal(first.values, again.values)
    assert np.array_equal(first.spikes, again.spikes)
    assert not np.array_equal(first.values, other.values)


@pytest.mark.parametrize("kind", KINDS)
def test_spikes_stand_far_outside_from_the_first_rows_on(kind: str) -> None:
    made = drifting(kind, 5000, np.random.default_rng(3))
    jump = np.abs(made.values[made.spikes] - made.values[made.spikes - 1])

    assert (jump > 0.75 * SPIKE).all()
    assert made.spikes[0] < 500
    assert np.diff(made.spikes).min() >= 300
    assert len(made.spikes) >= 10


def test_each_kind_is_what_its_name_says() -> None:
    made = {kind: np.delete(found.values, found.spikes) - LEVEL for kind in KINDS
            for found in [drifting(kind, 6000, np.random.default_rng(4))]}  # fmt: skip
    thirds = {kind: [part.mean() for part in np.array_split(values, 3)] for kind, values in made.items()}

    assert np.ptp(thirds["stationary"]) < 0.2
    assert abs(made["stationary"].std() - 1) < 0.05
    assert abs(thirds["continuous"][2] - thirds["continuous"][0]) > 10
    assert np.abs(np.diff(made["continuous"])).max() < 8
    assert np.ptp(made["change point"]) > 8
    assert np.ptp(thirds["periodic"]) < 1
    assert made["periodic"].std() > 2
    assert made["random walk"].std() > 2


def test_an_alert_right_behind_a_spike_has_found_it_and_any_other_is_false() -> None:
    made = Drifting("stationary", np.zeros(1000), np.array([100, 500, 900]))
    share, false = made.found(np.array([99, 105, 506]), within=5)

    assert share.tolist() == [True, False, False]
    assert false == 2
    assert made.found(np.array([], np.int64), within=5)[1] == 0
