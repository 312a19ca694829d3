"""A challenger on stretches that people judged: what was true must be found, and what was false must not come back.

Only those can be tried of which readings are kept. The champion is the measure: nothing is lost that it does not find,
and nothing comes back at which it alarms itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring.recipe import Recipe
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Bool
from monitor.records.labels import Label
from monitor.records.times import iso
from monitor.training.trial import STREAMS, Model, Trial

WRONG = 0.1  # share of the labels of a kind that may turn out wrong: of fewer than ten, none

Named = tuple[str, HistoryBlock]


class Judged(NamedTuple):
    """How many stretches that people judged were tried: true ones that the champion finds, and false ones.

    `untried` are those of which no reading is tried.
    """

    true: int = 0
    lost: int = 0
    false: int = 0
    back: int = 0
    untried: int = 0


@dataclass(frozen=True, slots=True)
class Labelled:
    """What people judged, and the readings that are kept of their streams, times of alerts included."""

    labels: Sequence[Label]
    history: Sequence[Named]
    given: int  # labels in all

    @classmethod
    def of(cls, labels: Iterable[Label], history: Iterable[Named]) -> Labelled:
        """The labels of which readings are kept, with the history of their streams."""
        kept, given = list(history), list(labels)
        tried = [label for label in given if any(_has(label, name, block) for name, block in kept)]
        streams = sorted({label.stream for label in tried})[:STREAMS]
        tried = [label for label in tried if label.stream in streams]
        return cls(tried, [(name, block) for name, block in kept if name in streams], len(given))

    def refusal(
        self, family: Family, fresh: Callable[[], Recipe], champion: Model, challenger: Model
    ) -> tuple[str, Judged]:
        """Why the challenger may not take over, "" = it may. Raises ModelError where one of them fails to score."""
        if not self.labels:
            return "", Judged(untried=self.given)
        trial = Trial(family, fresh, self.history, champion.profiles)
        labels = [label for label in self.labels if trial.covers(label)]
        alarm = np.array([label.alarm for label in labels], bool)
        before, after = (trial.alarmed(model, labels) for model in (champion, challenger))
        true, false = alarm & before, ~alarm
        lost, back = true & ~after, false & after & ~before
        found = Judged(*(int(np.count_nonzero(some)) for some in (true, lost, false, back)))
        found = found._replace(untried=self.given - len(labels))
        if found.lost > WRONG * found.true:
            where = _first(labels, lost)
            return f"it does not find {found.lost} of {found.true} alerts that people judged true, {where}", found
        if found.back > WRONG * found.false:
            where = _first(labels, back)
            return f"it alarms at {found.back} of {found.false} stretches that people judged false, {where}", found
        return "", found


def _first(labels: Sequence[Label], which: Bool) -> str:
    label = labels[int(np.flatnonzero(which)[0])]
    return f"the first in stream {label.stream} at {iso(label.start)}"


def _has(label: Label, name: str, block: HistoryBlock) -> bool:
    return name == label.stream and bool(((block.time >= label.start) & (block.time <= label.end)).any())
