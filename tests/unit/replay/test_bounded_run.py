"""What a replay does with models."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.pipeline.family import Pipeline
from monitor.replay.bounded_run import Pinned
from monitor.testing.in_memory import NoModels
from monitor.training.model_manager import Refused


class Recording(NoModels):
    def __init__(self) -> None:
        self.refreshed: list[list[str]] = []
        self.refused: dict[str, Refused] = {}

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        self.refreshed.append(list(pipelines))


def test_models_are_fetched_once_and_history_is_packed_all_along() -> None:
    models = Recording()
    pipelines: dict[str, Pipeline] = {"machines": None}  # type: ignore[dict-item]  # only its name is read
    pinned = Pinned(models)

    for _ in range(3):
        pinned.refresh(pipelines)

    assert models.refreshed == [["machines"], [], []]
