"""From windows to alerts about anomalies: the recipe scores and judges, alerts open, are held, and end.

Recipe and alerts need one another: nothing is learned while an alert is open, and one stays open while the level of its
stream is away from what was learned before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alerting.anomaly_alerts import EARLIER, Alerter, Changes, Opening
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.alerting.held_alerts import Holding
from monitor.pipeline.alerting.policy import SPEC
from monitor.pipeline.expected import Expected
from monitor.pipeline.learned import Learned, SomeColumns
from monitor.pipeline.maintenance import NOTHING_OFF, Off
from monitor.pipeline.scoring.detector_path import ColdStart
from monitor.pipeline.scoring.recipe import Judged, Open, Recipe
from monitor.pipeline.scoring.recipes.registry import levels
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.thresholds.base import rounds
from monitor.records.alerts import Evidence, Fact
from monitor.records.batches import Bool, Float32, Float64, Int64, Readings, Scores, Windows
from monitor.records.shifts import Shifts
from monitor.records.streams import StreamIndex


class Verdicts(NamedTuple):
    """Of a batch of windows: their scores, change points where the recipe finds them, facts, and why alerts opened."""

    scores: Scores
    shifts: Shifts | None
    facts: list[Fact]
    evidence: list[Evidence]


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
        if self.alerter.flapping is not None:
            self.sections["flapping"] = Section(self.alerter.flapping.columns, signature("flapping"))
        if self._levels is not None:
            self.sections["levels"] = Section(self._levels.columns, signature("levels"))
        learns = {each: of for each, of in self.sections.items() if each not in {"profile", "alerts", "expected"}}
        learns["policy"] = Section(SomeColumns(self.alerter.columns, SPEC), signature("policy"))
        self.learned = Learned(learns)

    def accept(self, readings: Readings, facts: HealthFacts) -> None:
        """Verdicts that take effect before this batch: the alert is over, and what was learned before gives way."""
        for code, verdict in self.expected.take(readings):
            ended = HealthFacts(self._run, self._name, verdict.reason)
            self.alerter.close(code, verdict.at, ended)
            facts.facts += ended.facts
            self.learned.drop([code])  # what a person expects is learned, also within a maintenance
            self.recipe.accept(code, None if self._levels is None else self._levels.accept(code))

    def judge(
        self,
        windows: Windows,
        cold: ColdStart,
        factor: Float32 | None,
        known: Mapping[str, Float64],
        off: Off = NOTHING_OFF,
    ) -> Verdicts:
        """Judge windows, sorted by stream and time; see `Recipe.judge`. `known` are facts about each, NaN = unknown."""
        changes, learn = Changes(), off.learn
        if not len(windows) or (learn is None and not self.learned.waits):
            judged, evidence = self._judge(windows, cold, (factor, known, off.score), changes)
            return Verdicts(judged.scores, judged.shifts, self.alerter.facts(changes), evidence)
        turns, judgements, why = [], [], list[Evidence]()
        for rows in rounds(windows.stream, np.zeros(len(windows), np.int64) if learn is None else learn.astype(int)):
            self.learned.turn(windows.stream[rows], None if learn is None else learn[rows])
            more = _taken(factor, rows), {name: fact[rows] for name, fact in known.items()}, _taken(off.score, rows)
            judged, evidence = self._judge(windows.take(rows), cold, more, changes)
            turns.append(rows)
            judgements.append(judged)
            why += evidence
        return Verdicts(*_in_order(turns, judgements), self.alerter.facts(changes), why)

    def _judge(
        self,
        windows: Windows,
        cold: ColdStart,
        more: tuple[Float32 | None, Mapping[str, Float64], Bool | None],
        changes: Changes,
    ) -> tuple[Judged, list[Evidence]]:
        """Windows, of each stream all to be learned from or none; `more`: factor, facts, and which are not judged."""
        factor, known, off = more
        before = len(changes.opened)
        judged = self.recipe.judge(windows, cold, partial(self._alerts, windows, changes), factor, known, off)
        opened = changes.opened[before:]
        return judged, [self._evidence(opening, windows, judged, known) for opening in opened]

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
        numbers = {"score": float(judged.scores.score[row]), "limit": float(judged.scores.limit[row])}
        facts |= {name: number for name, number in numbers.items() if np.isfinite(number)}
        return self.recipe.evidence(alert, windows, row, facts, judged)


def _taken(column: NDArray[Any] | None, rows: Int64) -> NDArray[Any] | None:
    return None if column is None else column[rows]


def _in_order(turns: list[Int64], judged: list[Judged]) -> tuple[Scores, Shifts | None]:
    """The scores and change points of all turns, in the order of their windows."""
    order = np.argsort(np.concatenate(turns))
    names = Scores.__slots__
    columns = ([getattr(each.scores, name) for each in judged] for name in names)
    scores = Scores(*(np.concatenate(column) for column in columns)).take(order)
    found = [each.shifts for each in judged if each.shifts is not None]
    return scores, Shifts(*map(np.concatenate, zip(*found, strict=True))).take(order) if found else None
