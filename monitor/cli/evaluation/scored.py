"""One series, scored in this process as `watchkeeper score` scores it, from a cold start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from monitor.cli.evaluation.recorded import Ratio, Recorder, Verdicts
from monitor.cli.score_family import family_for, most_rows
from monitor.cli.score_files import Files
from monitor.config.families import Alerts, Family
from monitor.records.batches import Bool, Float32, Int64
from monitor.replay.labelled_series import Series
from monitor.replay.row_judge import ANOMALY, CHANGE

if TYPE_CHECKING:
    from monitor.pipeline.scoring.recipe import Recipe
    from monitor.replay.row_judge import Columns
    from monitor.replay.score_rows import Summary


@dataclass(frozen=True)
class Scored:
    """What was said of the rows of a series.

    `ratio` (rows,) is NaN where a row was not judged; `opened` are the rows at which an anomaly alert opened, `alarmed`
    (rows,) says where one is open, `changes` are the rows at which a recipe that looks for change points reported one.
    `others` counts alerts of stream health by kind. `verdicts` are the windows.
    """

    recipe: str
    version: int
    learned: int
    ratio: Float32
    opened: Int64
    alarmed: Bool
    changes: Int64
    others: dict[str, int]
    verdicts: Verdicts
    rule: Alerts
    slots: Int64  # time on the grid up to each row, ns

    def rows_of(self, ends: Int64) -> Int64:
        """The row at which each of these windows ends, or the next one where it ends on a filled slot."""
        return _rows_of(self.slots, ends)

    def reopened(self, ratio: Ratio, **changed: Any) -> Int64:
        """Rows at which an alert would open by other ratios, or under the alert rule with these settings changed."""
        return self.rows_of(self.verdicts.opened(ratio, self.rule.model_copy(update=changed)))


def score_series(series: Series, recipe: str | None, seed: int) -> Scored:
    """Learn from the first rows and judge the others. Raises what `score` raises, but for rows that were not judged."""
    from monitor import bootstrap
    from monitor.pipeline.family import Pipeline
    from monitor.records.streams import StreamIndex
    from monitor.replay import score_rows
    from monitor.sources.files.source import FileColumns, FileSource

    columns = FileColumns(values=series.values, time=series.time, stream="file", keep=True)
    tuned = dict.fromkeys(("interval", "window", "detector", "n-std")) | {"seed": seed, "recipe": recipe}
    files = Files(series.path, series.path, rows=series.learned, most=most_rows(None, columns, tuned))
    wanted, _ = files.training_rows(columns)
    index, recorders = StreamIndex(), list[Recorder]()
    source = FileSource(series.path, columns, index, first_rows=wanted)
    parts: list[Columns] = []
    try:
        first = source.poll(0.0)
        family = family_for(columns, next(iter(first.readings.values())).time, tuned)

        def fresh() -> Pipeline:
            recorders.append(Recorder(bootstrap.recipe(family)))
            return Pipeline("file", family, index, cast("Recipe", recorders[-1]), "file")

        create = partial(bootstrap.detector, family)
        summary = score_rows.score_rows(source, first, fresh, create, lambda _, found: parts.append(found))
    finally:
        source.close()
    slots = np.maximum.accumulate(family.grid.times(family.grid.slots(series.stamps)))
    return _scored(summary, recorders[-1], family, parts, slots)


def _rows_of(slots: Int64, ends: Int64) -> Int64:
    """The row at which each of these windows ends, or the next one where it ends on a filled slot."""
    return np.minimum(np.searchsorted(slots, ends), len(slots) - 1)


def _scored(summary: Summary, used: Recorder, family: Family, parts: list[Columns], slots: Int64) -> Scored:
    ratio, alert_ids = (np.concatenate([part[name] for part in parts]) for name in ("ratio", "alert_id"))
    alerts = list(summary.alerts.values())

    def opened(kind: str) -> Int64:
        ends = sorted(alert.opened_at for alert in alerts if alert.kind == kind)
        return _rows_of(slots, np.array(ends, np.int64))

    anomalies = [str(alert.id) for alert in alerts if alert.kind == ANOMALY]
    return Scored(
        used.name, used.version, summary.training_rows, ratio, opened(ANOMALY),
        np.isin(alert_ids.astype(str), anomalies), opened(CHANGE),
        dict(Counter(alert.kind for alert in alerts if alert.kind not in (ANOMALY, CHANGE))),
        Verdicts.of(used.name, used.judged, family.grid.interval or 0), family.alert_rule, slots,
    )  # fmt: skip
