"""From windows to alerts about anomalies: the recipe scores and judges, alerts open, are held, and end.

Recipe and alerts need one another: nothing is learned while an alert is open, and one stays open while the level of its
stream is away from what was learned before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.alerting.anomaly_alerts import EARLIER, Alerter, Changes, Opening
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.alerting.held_alerts import Holding
from monitor.pipeline.expected import Expected
from monitor.pipeline.scoring.detector_path import ColdStart
from monitor.pipeline.scoring.recipe import Judged, Open, Recipe
from monitor.pipeline.scoring.recipes.registry import levels
from monitor.pipeline.state.codec import Section, signature
from monitor.records.alerts import Evidence, Fact
from monitor.records.batches import Float32, Float64, Int64, Readings, Windows
from monitor.records.streams import StreamIndex


class Judging:
    """Of one family under one run."""

    def __init__(self, run: str, name: str, family: Family, index: StreamIndex, recipe: Recipe) -> None:
        self._run, self._name, self.recipe = run, name, recipe
        self._levels = levels(recipe.name, len(family.channels), family.grid.interval or 0)
        holding = None if self._levels is None else Holding(self._levels, family.channels)
        self.alerter, self.expected = Alerter(run, name, index, family.alert_rule, holding), Expected(index)
        self.sections = {
            **recipe.sections,
            "alerts": Section(self.alerter.columns, signature("alerts"), EARLIER),
            "expected": Section(self.expected.columns, signature("expected")),
        }
        if self._levels is not None:
            self.sections["levels"] = Section(self._levels.columns, signature("levels"))

    def accept(self, readings: Readings, facts: HealthFacts) -> None:
        """Verdicts that take effect before this batch: the alert is over, and what was learned before gives way."""
        for code, verdict in self.expected.take(readings):
            ended = HealthFacts(self._run, self._name, verdict.reason)
            self.alerter.close(code, verdict.at, ended)
            facts.facts += ended.facts
            self.recipe.accept(code, None if self._levels is None else self._levels.accept(code))

    def judge(
        self, windows: Windows, cold: ColdStart, factor: Float32 | None, known: Mapping[str, Float64]
    ) -> tuple[Judged, Changes]:
        """See `Recipe.judge`; and what became of alerts. `known` are facts about each window, NaN = unknown."""
        changes = Changes()
        return self.recipe.judge(windows, cold, partial(self._alerts, windows, changes), factor, known), changes

    def facts(self, changes: Changes) -> list[Fact]:
        """Facts about alerts of the batch that was judged."""
        return self.alerter.facts(changes)

    def evidence(
        self, changes: Changes, windows: Windows, judged: Judged, known: Mapping[str, Float64]
    ) -> list[Evidence]:
        """Why alerts opened; `known` are facts about each window, NaN = unknown."""
        return [self._evidence(opening, windows, judged, known) for opening in changes.opened]

    def _alerts(self, windows: Windows, changes: Changes, rows: Int64, ratio: Float32) -> Open:
        """Alerts after the windows at `rows`, and at which of them one is open."""
        before = len(changes.opened)
        now = self.alerter.step(windows, ratio, rows, changes)
        opens = [opening.row for opening in changes.opened[before:]]
        return Open(now, np.isin(rows, opens) if opens else np.zeros(len(rows), bool))

    def _evidence(self, opening: Opening, windows: Windows, judged: Judged, known: Mapping[str, Float64]) -> Evidence:
        alert, row, bar = opening
        facts = {name: float(fact[row]) for name, fact in known.items() if not np.isnan(fact[row])}
        if bar > 1:
            facts["bar"] = bar
        return self.recipe.evidence(alert, windows, row, facts, judged)
