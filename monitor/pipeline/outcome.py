"""What a batch of readings led to."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.pipeline.scoring.sampling import Sample
from monitor.ports.store import HistoryBlock
from monitor.records.alerts import Evidence, Fact
from monitor.records.batches import Bool, Scores
from monitor.records.late import Late


@dataclass(slots=True)
class Outcome:
    """What a batch led to. Stream columns are codes; `history` holds (code, block) of streams without a model.

    `touched` are streams whose state has changed without a reading of theirs.
    """

    scores: Scores
    facts: list[Fact] = field(default_factory=list)  # about alerts
    evidence: list[Evidence] = field(default_factory=list)
    history: list[tuple[int, HistoryBlock]] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)  # streams that have been seen long enough to be trained on
    touched: set[int] = field(default_factory=set)
    late: Late | None = None
    sample: Sample | None = None  # of the readings of streams with a model, to train on again
    unlearned: Bool | None = None  # scores from which nothing is to be learned; None = none
