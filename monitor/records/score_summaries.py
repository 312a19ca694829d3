"""Which scores are written: all, only anomalies, or anomalies and a summary of all per stream and ten minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from monitor.records.scalars import State

if TYPE_CHECKING:
    from monitor.records.batches import Float64, Int64, Scores

Policy = Literal["all", "anomalies", "rollup"]
SPAN = 600 * 10**9  # ns that a summary covers, from a whole multiple of it on


@dataclass(frozen=True, slots=True)
class Rollup:
    """Summaries of scores, a column each: stream (the store's row id) and `start` (ns), once each.

    `windows` ended in [start, start + SPAN); `judged` of them had a ratio, with `ratio_sum` and `ratio_max` (NaN where
    none had one); `anomalies` were above the limit.
    """

    stream_id: Int64
    start: Int64
    windows: Int64
    judged: Int64
    anomalies: Int64
    ratio_sum: Float64
    ratio_max: Float64

    def __len__(self) -> int:
        """Summaries."""
        return len(self.stream_id)


def chosen(scores: Scores, policy: Policy) -> Scores:
    """Those that are stored as rows."""
    import numpy as np

    return scores if policy == "all" else scores.take(np.flatnonzero(scores.state == State.ANOMALY))


def roll_up(parts: list[tuple[Int64, Scores]]) -> Rollup:
    """Summarise scores, given with the store's row id of each one's stream."""
    import numpy as np

    stream_id = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _ in parts)])
    end = np.concatenate([np.zeros(0, np.int64), *(scores.end for _, scores in parts)])
    ratio = np.concatenate([np.zeros(0), *(scores.ratio.astype(np.float64) for _, scores in parts)])
    span = end // SPAN
    order = np.lexsort((span, stream_id))
    stream_id, span, ratio = stream_id[order], span[order], ratio[order]
    new = np.ones(len(order), bool)
    new[1:] = (stream_id[1:] != stream_id[:-1]) | (span[1:] != span[:-1])
    first = np.flatnonzero(new)
    if not len(first):
        return Rollup(stream_id, span, span, span, span, ratio, ratio)
    judged = ~np.isnan(ratio)
    add = np.add.reduceat
    return Rollup(
        stream_id[first], span[first] * SPAN, np.diff(np.append(first, len(order))),
        add(judged.astype(np.int64), first), add((ratio > 1).astype(np.int64), first),
        add(np.where(judged, ratio, 0), first), np.fmax.reduceat(ratio, first),
    )  # fmt: skip
