"""What a recipe said of a series, and which alerts would have opened had a part or the limit been different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from monitor.config.families import Alerts
from monitor.pipeline.alerting.anomaly_alerts import Alerter, Changes
from monitor.pipeline.alerting.held_alerts import Holding
from monitor.pipeline.scoring.recipe import Judged, Recipe
from monitor.pipeline.scoring.recipes.registry import levels
from monitor.records.batches import Float32, Float64, Int64, Windows
from monitor.records.streams import StreamIndex

Ratio = Float32 | Float64


class Recorder:
    """A recipe that keeps what it judged; anything else is the recipe's."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.judged: list[tuple[Windows, Judged]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recipe, name)

    def judge(self, windows: Windows, *given: Any) -> Judged:
        """See `Recipe.judge`."""
        judged = self._recipe.judge(windows, *given)
        self.judged.append((windows, judged))
        return judged


@dataclass(frozen=True)
class Verdicts:
    """The windows of one stream in the order of time, what was said of them, and what each part added to the score."""

    recipe: str
    windows: Windows
    score: Float32
    limit: Float32
    ratio: Float32
    components: Mapping[str, Float32] = field(default_factory=dict)
    interval: int = 0  # ns between readings; 0 = at no fixed distance

    @classmethod
    def of(cls, recipe: str, recorded: Sequence[tuple[Windows, Judged]], interval: int = 0) -> Verdicts:
        """Of all batches, one at least; a part that a batch lacks is NaN there."""
        judged = [each for _, each in recorded]

        def joined(name: str) -> Float32:
            return np.concatenate([getattr(each.scores, name) for each in judged])

        def added(name: str) -> Float32:
            none = (np.full(len(each.scores.end), np.nan, np.float32) for each in judged)
            return np.concatenate([each.components.get(name, nan) for each, nan in zip(judged, none, strict=True)])

        names = dict.fromkeys(name for each in judged for name in each.components)
        columns = (np.concatenate(parts) for parts in zip(*(_columns(windows) for windows, _ in recorded), strict=True))
        parts = {name: added(name) for name in names}
        return cls(recipe, Windows(*columns), joined("score"), joined("limit"), joined("ratio"), parts, interval)

    def without(self, part: str) -> Float32:
        """Ratios, had this part added nothing."""
        return np.asarray((self.score - np.nan_to_num(self.components[part])) / self._judged_limit)

    def alone(self, part: str) -> Float32:
        """Ratios, had only this part added something."""
        return np.asarray(self.components[part] / self._judged_limit)

    @property
    def _judged_limit(self) -> Float32:
        """NaN for windows without a verdict."""
        return np.where(np.isnan(self.ratio), np.float32(np.nan), self.limit)

    def opened(self, ratio: Ratio, rule: Alerts) -> Int64:
        """Ends (ns) of the windows at which the product opens an alert by these ratios under this rule."""
        index, changes = StreamIndex(), Changes()
        index.intern(["file"])
        channels = [str(channel) for channel in range(self.windows.values.shape[2])]
        kept = levels(self.recipe, len(channels), self.interval)
        alerter = Alerter("evaluation", "file", index, rule, None if kept is None else Holding(kept, channels))
        for part in (alerter, kept):
            if part is not None:
                part.columns.grow(1)
        alerter.step(self.windows, ratio.astype(np.float32), np.arange(len(ratio)), changes)
        return self.windows.end[[opening.row for opening in changes.opened]]


def _columns(windows: Windows) -> tuple[Any, ...]:
    return windows.stream, windows.start, windows.end, windows.values, windows.imputed
