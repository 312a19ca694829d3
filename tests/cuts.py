"""One batch of readings, run through a pipeline in pieces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.records.batches import Readings


def run(fresh: Callable[[], Pipeline], batch: Readings, edges: list[int], *, restart: bool = False) -> list[Outcome]:
    """The outcomes of the pieces between these rows; with `restart`, each goes to a new pipeline with the saved state.

    `fresh` makes a pipeline whose streams are known.
    """
    made, outcomes = fresh(), []
    for begin, end in zip([0, *edges], [*edges, len(batch)], strict=True):
        outcomes.append(made.process(batch.take(np.arange(begin, end))))
        if restart:
            codes = np.arange(len(made.index), dtype=np.int32)
            states, made = made.dump(codes), fresh()
            assert made.load(codes, states) == set()
    return outcomes
