"""What the recipe `multivariate` knows of a stream once it was learned: scales, and the limit of each part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.pipeline.scoring.companions.level import Scale
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.columns import Columns, Spec
from monitor.pipeline.thresholds.base import FLOOR

LEVEL_STD = 8.0  # standard deviations of the level's scores from their mean to its limit
LEAST_MARGIN = 1.0  # deviations, as of white noise: where all channels wander, none of them has a level
TINY = 1e-6


def learned_columns(channels: int) -> Columns:
    """What is learned of every stream; NaN and False until then.

    `usual` is the mean of a part's training scores, `margin` how far above it the limit lies.
    """
    each: dict[str, Spec] = dict.fromkeys((*Scale._fields, "shift", "spike"), (np.float32, (channels,), np.nan))
    names = ("level_usual", "level_margin", "detector_usual", "detector_margin")
    return Columns({**each, **dict.fromkeys(names, (np.float32, (), np.nan)), "learned": (np.bool_, (), False)})


def learned_of(profile: Profile, n_std: float) -> Mapping[str, object]:
    """The row of `learned_columns` of a stream; the detector's limit is `n_std` standard deviations above its mean.

    A profile of a model that was trained for another recipe knows no more than that limit.
    """
    mean = profile.score_mean
    margin = max(n_std * max(profile.score_std, FLOOR * abs(mean)), profile.least - mean, TINY)
    detector = {"detector_usual": mean, "detector_margin": margin}
    known = dict(profile.constants)
    if "level" not in known or not np.isfinite(known["level"]).all():
        return detector
    usual, std = known.pop("level").tolist()
    level = {"level_usual": usual, "level_margin": max(LEVEL_STD * std, LEAST_MARGIN)}
    return {**known, **level, **detector, "learned": True}
