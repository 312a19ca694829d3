"""Where a worker gets its models from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from monitor.pipeline.family import Pipeline


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
