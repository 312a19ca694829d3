"""However the samples of an ECG are cut into batches, and wherever it is restarted, no bit of its beats changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ecg import find, lead, with_noise

RATES = (100.0, 250.0, 360.0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from(RATES),
    bpm=st.integers(40, 200),
    decibel=st.sampled_from([40.0, 10.0, 0.0, -10.0]),
    shares=st.lists(st.floats(0, 1), max_size=8),
    tiny=st.integers(0, 30),
    ways=st.tuples(st.booleans(), st.booleans()),
)
def test_cuts_and_restarts_change_no_bit(
    seed: int, rate: float, bpm: int, decibel: float, shares: list[float], tiny: int, ways: tuple[bool, bool]
) -> None:
    restart, grid = ways
    rng = np.random.default_rng(seed)
    signal = with_noise(lead(20, rate, bpm, rng, premature=0.1)[0], decibel, rng)
    signal[rng.integers(0, len(signal), 5)] += rng.normal(0, 5, 5)  # spikes
    cuts = {round(share * len(signal)) for share in shares}
    begin = int(rng.integers(0, len(signal) - 40))
    cuts |= set(range(begin, begin + tiny))  # samples that come one by one

    interval = round(1e9 / rate) if grid else None
    whole = find(signal, rate, interval=interval, ended=True)
    cut = find(signal, rate, tuple(sorted(cuts)), restart=restart, interval=interval, ended=True)
    running = find(signal, rate, interval=interval).windows

    assert whole.facts == cut.facts
    assert np.all(np.diff(whole.windows.end) > 0)
    assert (
        running.values.tobytes() == whole.windows.values[: len(running)].tobytes()
    )  # an end adds, and changes nothing
    assert len(whole.windows) - len(running) <= 2
