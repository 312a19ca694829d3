"""Which recipe judges a family, and what a recipe brings where the settings leave it out.

How each of them scores and judges stands in `monitor.pipeline.scoring.recipes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

Recipe = Literal["auto", "plain", "default", "multivariate", "vectors"]
Companion = Literal["half_space_trees", "gaussian_scorer"]  # that a family may add


class Own(NamedTuple):
    """`length`: readings of a window; None = the settings have to say. `alerts`: what is other than in `Alerts`.

    `options` are those of detectors, by kind. `whole_past`: faults of the past are learned like all else, as its scales
    have to know how large the stream's values get (decision 36); the others leave them out.
    """

    length: int | None = None
    alerts: Mapping[str, Any] = {}
    options: Mapping[str, Mapping[str, Any]] = {}
    whole_past: bool = False


OWN: Final[Mapping[str, Own]] = {
    "plain": Own(),
    "default": Own(
        24,
        {"open_count": 1, "open_of": 1, "quiet_after": 80, "rise": 0.1},
        {"dense": {"hidden": [12, 4], "keep": 1.0}},
        whole_past=True,
    ),
    "multivariate": Own(12, {"open_count": 1, "open_of": 1, "quiet_after": 20, "rise": 0.2, "resolve_below": 1.0}),
    "vectors": Own(None, {"open_count": 1, "open_of": 1}),  # a beat or a message stands for itself
}


def chosen(*, threshold: bool, alone: bool, follows: bool, channels: int) -> str:
    """The recipe for a family that names none.

    `threshold`: its settings have one, which only `plain` judges by. `alone`: each window stands for itself, as a
    beat or a message does. `follows`: each reading ends a window of consecutive ones.
    """
    if threshold or not (alone or follows):
        return "plain"
    if alone:
        return "vectors"
    return "default" if channels == 1 else "multivariate"
