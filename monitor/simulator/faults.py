"""What goes wrong with sensors and hearts: pure functions from healthy values to faulty ones.

Each takes `values` (n,), the `span` of rows it may change and a seeded `rng`, and returns a changed copy. Sizes are in
the unit of the signal; `stuck` and `dropout` have none. `INJECT` maps the names used in truth files to the functions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.records.batches import Bool, Float64

Rng = np.random.Generator
Inject = Callable[[Float64, slice, Rng, float], Float64]


def spike(values: Float64, span: slice, rng: Rng, size: float) -> Float64:
    """Jump up or down by `size` for the whole span; meant for spans of a few readings."""
    return _add(values, span, _sign(rng) * size)


def level_shift(values: Float64, span: slice, rng: Rng, size: float) -> Float64:
    """Move by `size`, as after a recalibration or with a broken fan, and back at the end."""
    return _add(values, span, _sign(rng) * size)


def slow_drift(values: Float64, span: slice, rng: Rng, size: float) -> Float64:
    """Leave the true value steadily, by `size` at the end of the span."""
    length = span.stop - span.start
    return _add(values, span, _sign(rng) * size * np.arange(1, length + 1) / length)


def stuck(values: Float64, span: slice, rng: Rng, size: float) -> Float64:
    """Repeat the value at the start of the span."""
    out = values.copy()
    out[span] = values[span.start]
    return out


def noise_burst(values: Float64, span: slice, rng: Rng, size: float) -> Float64:
    """Add noise with a standard deviation of `size`: a loose contact, a moving patient."""
    return _add(values, span, rng.normal(0, size, span.stop - span.start))


def dropout(values: Float64, span: slice, rng: Rng, size: float) -> Float64:
    """Lose every reading (NaN)."""
    return _add(values, span, np.nan)


def premature_beats(peaks: Float64, span: slice) -> tuple[Float64, Bool]:
    """Every other beat of the span comes 30 % early; the pause after it is as much longer.

    Returns the R-peak times and which of them are premature. Beats outside the span keep their times.
    """
    premature = np.zeros(len(peaks), dtype=np.bool_)
    premature[span.start : span.stop : 2] = True
    early = np.flatnonzero(premature)
    out = peaks.copy()
    out[early] -= 0.3 * (peaks[early] - peaks[early - 1])
    return out, premature


def _add(values: Float64, span: slice, change: Float64 | float) -> Float64:
    out = values.copy()
    out[span] += change
    return out


def _sign(rng: Rng) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


PREMATURE_BEATS = "premature-beats"
INJECT: dict[str, Inject] = {
    "spike": spike,
    "level-shift": level_shift,
    "slow-drift": slow_drift,
    "stuck": stuck,
    "noise-burst": noise_burst,
    "dropout": dropout,
}
