"""Whether a model that was trained again may take over: the challenger is tried beside the champion.

What it learned from may be poisoned: full of faults, of another unit, frozen, or garbage. So it is refused where the
readings are not those that the champion knows, where it alarms far more often than the champion where all is well, and
where it finds clearly fewer faults. The refused model stays a candidate, with the reason; a person may promote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.training.labels import Judged
from monitor.training.trial import Found, Model, Trial

FEWEST = 64  # readings of a trial; with fewer there is nothing to judge by
SPREAD, SHIFT = 3.0, 6.0  # of the middle stream: times as wide or as narrow, and scales away, from what was learned
UNUSUAL = 0.25  # share of windows that the champion finds unusual: these are no readings to learn from
ALARMS, MORE = 0.01, 2.0  # share of alarms that is always allowed, and times the champion's
FEWER = 0.25  # share of the faults that may be missed more: those have to lie twice as far away

_FULL = (
    "{:.0%} of the windows that were learned from are unusual to the champion: they are full of faults, or of another "
    "state"
)


class Decision(NamedTuple):
    """`refused` says why in words, "" = the challenger may take over."""

    refused: str
    champion: Found | None = None
    challenger: Found | None = None
    judged: Judged = Judged()  # on what people judged


def decide(champion: Model, challenger: Model, trial: Trial) -> Decision:
    """Try both on the same stretch of the past. Raises ModelError where one of them fails to score."""
    if len(trial) < FEWEST:
        return Decision(f"only {len(trial)} readings of streams that the champion knows are kept: too few to compare")
    other = _other_readings(champion.profiles, challenger.profiles)
    if other:
        return Decision(other)
    unusual = trial.unusual(champion)
    if unusual > UNUSUAL:
        return Decision(_FULL.format(unusual))
    before, after = trial.of(champion), trial.of(challenger)
    return Decision(_worse(before, after), before, after)


def _worse(before: Found, after: Found) -> str:
    if before.alarms > UNUSUAL:
        return _FULL.format(before.alarms)
    if after.alarms > max(ALARMS, MORE * before.alarms):
        return f"it alarms on {after.alarms:.1%} of the recent windows, and the champion on {before.alarms:.1%}"
    if after.faults < before.faults - FEWER:
        return (
            f"it finds {after.faults:.0%} of the faults put into recent readings, and the champion {before.faults:.0%}"
        )
    return ""


def _other_readings(champion: Mapping[str, Profile], challenger: Mapping[str, Profile]) -> str:
    """How the readings differ from those that the champion has learned, in words; "" where they do not."""
    both = champion.keys() & challenger.keys()
    if not both:
        return "it knows none of the streams that the champion knows"
    spread = np.array([_ratio(champion[name], challenger[name]) for name in both])
    away = np.array([_shift(champion[name], challenger[name]) for name in both])
    middle = float(np.exp(np.median(np.log(spread))))
    if not 1 / SPREAD <= middle <= SPREAD:
        times = f"{middle:.3g} times as wide" if middle > 1 else f"{1 / middle:.3g} times as narrow"
        return f"the readings that were learned from are spread {times} as those that the champion has learned"
    if float(np.median(away)) > SHIFT:
        return (
            f"the readings that were learned from lie {np.median(away):.3g} usual spreads away from those that the "
            "champion has learned"
        )
    return ""


def _ratio(before: Profile, after: Profile) -> float:
    """How much wider the channel is spread whose spread has changed most."""
    known = before.learned & after.learned
    if not known.any():
        return 1.0
    times = np.log(after.scale[known].astype(np.float64) / before.scale[known])
    return float(np.exp(times[np.argmax(np.abs(times))]))


def _shift(before: Profile, after: Profile) -> float:
    """How far the level of a channel has moved at most, in scales of before."""
    known = before.learned & after.learned
    away = np.abs(after.center[known].astype(np.float64) - before.center[known]) / before.scale[known]
    return float(away.max(initial=0.0))
