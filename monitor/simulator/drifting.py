"""Series whose normal state drifts, which is no fault, with single readings far outside, which are.

Six kinds, in units of the noise's standard deviation (the spread). Each has spikes of `SPIKE` spreads, from its first
rows on: the past that a monitor learns from is never clean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.records.batches import Bool, Float64, Int64

Rng = np.random.Generator

SPIKE: Final = 40.0  # spreads
APART: Final = (300, 500)  # rows between one spike and the next
LEVEL: Final = 200.0


@dataclass(frozen=True)
class Drifting:
    """One series: `values` (n,) and the rows of its spikes."""

    kind: str
    values: Float64
    spikes: Int64

    def found(self, opened: Int64, within: int) -> tuple[Bool, int]:
        """Which spikes an alert opened at, up to `within` rows later, and how many alerts opened at none.

        >>> series = Drifting("stationary", np.zeros(100), np.array([10, 50]))
        >>> series.found(np.array([12, 30, 70]), within=5)
        (array([ True, False]), 2)
        """
        late = opened[:, None] - self.spikes[None]  # (alerts, spikes)
        right = (late >= 0) & (late <= within)
        return np.asarray(right.any(axis=0)), int((~right.any(axis=1)).sum())


def drifting(kind: str, rows: int, rng: Rng) -> Drifting:
    """A series of one of the `KINDS`, with spikes up and down at random distances."""
    values = LEVEL + KINDS[kind](rows, rng)
    spikes = np.cumsum(rng.integers(*APART, rows // APART[0])) - APART[0] // 2
    spikes = spikes[spikes < rows - 1]
    values[spikes] += SPIKE * rng.choice([-1.0, 1.0], len(spikes))
    return Drifting(kind, values, spikes)


def _stationary(rows: int, rng: Rng) -> Float64:
    return rng.normal(0, 1, rows)


def _continuous(rows: int, rng: Rng) -> Float64:
    """20 spreads up or down, evenly."""
    return np.linspace(0, 20 * rng.choice([-1.0, 1.0]), rows) + rng.normal(0, 1, rows)


def _change_point(rows: int, rng: Rng) -> Float64:
    """Three new levels, 5 to 10 spreads from the one before."""
    return _levels(rows, rng) + rng.normal(0, 1, rows)


def _noisy_change_point(rows: int, rng: Rng) -> Float64:
    """As above, and each level has another noise, a half to twice the first one."""
    at = _places(rows, rng)
    noise = np.repeat([1.0, *rng.uniform(0.5, 2, len(at))], np.diff([0, *at, rows]))
    return _levels(rows, rng, at) + noise * rng.normal(0, 1, rows)


def _periodic(rows: int, rng: Rng) -> Float64:
    """A sine of 3 to 6 spreads, with a period that has nothing to do with a day."""
    turns = np.arange(rows) / rng.uniform(60, 240) + rng.uniform(0, 1)
    return rng.uniform(3, 6) * np.sin(2 * np.pi * turns) + rng.normal(0, 1, rows)


def _random_walk(rows: int, rng: Rng) -> Float64:
    """Steps of a fifth of the spread."""
    return np.cumsum(rng.normal(0, 0.2, rows)) + rng.normal(0, 1, rows)


def _places(rows: int, rng: Rng) -> Int64:
    """Three rows in the second to the last fifth."""
    return np.sort(rng.choice(np.arange(rows // 5, rows - rows // 10), 3, replace=False))


def _levels(rows: int, rng: Rng, at: Int64 | None = None) -> Float64:
    places = _places(rows, rng) if at is None else at
    steps = rng.uniform(5, 10, len(places)) * rng.choice([-1.0, 1.0], len(places))
    return np.repeat([0.0, *np.cumsum(steps)], np.diff([0, *places, rows]))


KINDS: Final[dict[str, Callable[[int, Rng], Float64]]] = {
    "stationary": _stationary,
    "continuous": _continuous,
    "change point": _change_point,
    "noisy change point": _noisy_change_point,
    "periodic": _periodic,
    "random walk": _random_walk,
}
