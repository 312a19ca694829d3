"""Which windows count as judged, for the alert `unscored`.

A recipe that judges parts of windows has a score for each reading, whatever lies before it: its companions judge alone
where the detector cannot. One gap is no fault. But where a stream begins to send at another interval, every reading
comes after a gap, or between slots that are filled in: the model never sees a window of it again, or never gets one to
be trained on. So windows that hold hardly a reading since a gap, or too many filled in, do not count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.state.codec import Codes
from monitor.records.batches import Bool, Scores, Windows

SHARE = 8  # a run of fewer readings than this part of a window holds hardly one


def counted(
    family: Family, windows: Windows, scores: Scores, has_model: Callable[[Codes], Bool], off: Bool | None
) -> tuple[Scores, Bool]:
    """The scores (k,) of a batch of windows (m,) that count, NaN ratio = not judged, and which of them only wait.

    Those wait that nothing can score before the stream has a model, and those that are `off` (m,).
    """
    waiting = _waiting(family, windows, scores, has_model)
    parts = family.judges_parts and len(windows) > 0
    if parts and (filled := windows.imputed > family.align.max_imputed).any():
        columns = {name: getattr(scores, name) for name in Scores.__slots__}
        scores = Scores(**columns | {"ratio": np.where(filled, np.float32(np.nan), scores.ratio)})
        waiting &= ~filled
    if off is not None:
        waiting = waiting | off
    fewest = min(max(2, family.shape.length // SHARE), windows.values.shape[1])
    if parts and (short := np.isnan(windows.values[:, -fewest]).all(axis=1)).any():
        kept = np.flatnonzero(~short if off is None else ~short | off)
        return scores.take(kept), waiting[kept]
    return scores, waiting


def _waiting(family: Family, windows: Windows, scores: Scores, has_model: Callable[[Codes], Bool]) -> Bool:
    """Windows that nothing can score before the stream has a model, though they hold enough readings."""
    none = np.isnan(scores.score)
    if not family.judges_parts:
        none &= (scores.imputed <= family.align.max_imputed) & ~np.isnan(windows.values[:, -1]).all(axis=1)
    return np.asarray(none & ~has_model(scores.stream)) if none.any() else none
