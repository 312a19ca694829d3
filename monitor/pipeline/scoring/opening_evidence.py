"""Why an alert opened, by everything that judged its window: the detector, the companions, what is usual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import numpy as np

from monitor.pipeline.scoring.detector_path import DetectorPath
from monitor.pipeline.scoring.explanation import blamed, by_companions
from monitor.pipeline.scoring.mixture import DETECTOR, Banded, Locating, Mixture
from monitor.pipeline.scoring.usual_band import band
from monitor.records.alerts import Evidence
from monitor.records.batches import Windows

if TYPE_CHECKING:
    from monitor.pipeline.scoring.recipe import Judged


class Opened(NamedTuple):
    """The window at `row` of a batch opened the alert; `facts` are known of it."""

    alert: UUID
    windows: Windows
    row: int
    facts: Mapping[str, float]


def evidence(detector: DetectorPath, mixture: Mixture | None, opened: Opened, judged: Judged) -> Evidence:
    """The evidence of an alert; without a `mixture` the detector alone has judged."""
    alert, windows, row, facts = opened
    one = windows.take(np.array([row]))
    if mixture is None:
        found = replace(detector.explain(alert, one, facts), components=judged.shares(row))
        usual = detector.usual(int(one.stream[0]))
        return found if usual is None else replace(found, band=band(usual, None, len(found.values)))
    shown = judged.shown.take(np.array([row]))
    found, day = detector.explain(alert, shown, facts), None
    if judged.shown is not windows:  # it sees residuals
        day = one.values[0] - shown.values[0]
        expected = None if found.reconstruction is None else found.reconstruction + day
        found = replace(found, values=one.values[0], reconstruction=expected)
        if np.isnan(judged.components[DETECTOR][row]):
            found = by_companions(found, one, day)
            day = day[len(day) - len(found.values) :]
    known = mixture.facts(row)
    found = replace(found, facts={**found.facts, **known}, components=judged.shares(row))
    if isinstance(mixture, Banded):
        found = replace(found, band=band(mixture.usual(int(one.stream[0]), row), day, len(found.values)))
    return blamed(found, mixture.blame(row), judged.scores.score[row]) if isinstance(mixture, Locating) else found
