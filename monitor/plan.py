"""What a runner is told before it begins: how to run, and who serves it with models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from monitor.kept_scores import Policy
from monitor.pending import Announce
from monitor.pipeline import Pipeline
from monitor.records import LIVE


class Models(Protocol):
    """Where models come from. Called between commits, on the runner's thread."""

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Give each pipeline its family's champion, if that has changed."""
        ...

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        """These streams (name to store id) are ready: train the family's first model, or profile them for it."""
        ...

    def trains(self, family: str) -> bool:
        """Whether a request would begin to train the family's first model now."""
        ...

    @property
    def holding(self) -> bool:
        """Whether reading should pause until a model is there."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run: `interval` seconds between commits; `live` compares times with the wall clock.

    `patience` is how many seconds a rebalance may be held up by a store that does not answer.
    """

    run: str = LIVE
    interval: float = 1.0
    live: bool = True
    until_end: bool = False  # stop when everything that is there has been read
    announce: Announce = field(default=lambda transition, alert, evidence: [])
    patience: float = 60.0
    scores: Policy = "all"  # which get a row
