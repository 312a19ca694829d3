"""Late readings scored after all: the past to replay so that they are in time, and how the scores differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.config.durations import Span
from monitor.config.families import Family
from monitor.errors import SettingsError
from monitor.records.batches import Scores, State
from monitor.records.late import LateReading

MOST = 10_000  # slots that a replay waits for late readings; it buffers as many readings of each stream


@dataclass(frozen=True, slots=True)
class Past:
    """Replay the event times [start, end), ns, waiting `lateness` slots; `left_out` readings are later than that."""

    start: int
    end: int
    lateness: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Of one stream's windows that its `late` readings may touch, how the scores with them differ.

    `changed` of the `compared` windows have another score; `added` and `removed` ones are on one side only. Windows
    scored before there was a model are not compared. With `store.scores` other than "all" only anomalies have a row, so
    a window is added where it has become one, also one that cold start judged before.
    """

    stream: str
    late: int
    compared: int
    changed: int
    added: int
    removed: int
    anomalies_before: int
    anomalies_after: int


def past_of(rows: Sequence[LateReading], name: str, family: Family) -> Past:
    """The past to replay for late readings of a family: the windows they touch, and the history of their limits.

    Raises SettingsError where there is no grid to put them on.
    """
    if family.interval is None or not family.window.rules.consecutive:
        raise SettingsError(f"families.{name}: late readings can be scored again only in windows on a grid")
    behind = np.array([-(-row.behind // family.interval) for row in rows])
    time = np.array([row.time for row in rows])[behind <= MOST]
    if not len(time):
        raise SettingsError(f"families.{name}: all late readings are more than {MOST:,} intervals late")
    lateness = max(int(behind[behind <= MOST].max()), family.grid.lateness)
    first, last = touched(time.tolist(), family)
    reach = (family.shape.length + 1) * family.interval  # readings may lie half an interval off
    start = first - reach - _history(family)
    return Past(start, last + family.interval, lateness, int((behind > MOST).sum()))


def touched(times: Sequence[int], family: Family) -> tuple[int, int]:
    """Ends, ns on the grid, of the first and the last window that readings at these times can change.

    They change the slots that are filled in around them, and with `format.channel` those that hold their values.
    """
    grid, interval = family.grid, family.interval or 1
    gap, held = grid.max_gap, grid.max_age if family.format.channel else 0
    first, last = ((at + interval // 2) // interval for at in (min(times), max(times)))
    return (first - gap) * interval, (last + max(gap, held) + family.shape.length - 1) * interval


def _history(family: Family) -> int:
    """How far back, ns, a limit looks."""
    rule = family.threshold
    if rule.kind == "static":
        return 0
    if rule.history.time is not None:
        return rule.history.time
    return (rule.history.count or 0) * family.shape.hop * (family.interval or 1)


def waiting(family: Family, slots: int) -> Family:
    """The same family with another lateness."""
    return family.model_copy(update={"align": family.align.model_copy(update={"lateness": Span(count=slots)})})


def compare(stream: str, late: int, before: Scores, after: Scores) -> Difference:
    """How a stream's scores in the span that its late readings, `late` in number, have `touched` differ."""
    judged = before.take(before.state != State.BOOTSTRAP)
    apart = before.end[before.state == State.BOOTSTRAP]
    again = after.take(~np.isin(after.end, apart))
    _, old, new = np.intersect1d(judged.end, again.end, return_indices=True)
    changed = judged.score[old].view(np.uint32) != again.score[new].view(np.uint32)
    return Difference(
        stream=stream, late=late, compared=len(old), changed=int(changed.sum()), added=len(again) - len(new),
        removed=len(judged) - len(old), anomalies_before=int((judged.state == State.ANOMALY).sum()),
        anomalies_after=int((again.state == State.ANOMALY).sum()),
    )  # fmt: skip
