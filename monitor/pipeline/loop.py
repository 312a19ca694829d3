"""The loop that every reader of readings shares: poll a source, process what it brings, flush at its end.

Pure like the pipelines it drives: the source comes as an argument, the steps go to the caller. The worker uses
`process` and `flush`, and adds commits, ownership and models; training and `score` use `run`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.ports.source import Source
from monitor.records.batches import Poll, Readings

POLL_S = 1.0  # the longest wait for the first record of a poll


@dataclass(frozen=True, slots=True)
class Step:
    """The outcome of one batch of one family; `readings` is None where it is the flush at the end of the source."""

    family: str
    outcome: Outcome
    readings: Readings | None = None


def polls(source: Source, first: Poll | None = None) -> Iterator[Poll]:
    """Every poll of a bounded source, the finished one last; `first` was taken from it before."""
    poll = source.poll(POLL_S) if first is None else first
    while not poll.finished:
        yield poll
        poll = source.poll(POLL_S)
    yield poll


def process(poll: Poll, pipelines: Mapping[str, Pipeline], now: int | None = None) -> Iterator[Step]:
    """Run a poll through the pipelines, in batches of at most `Pipeline.most` readings.

    `now` is the wall clock (ns) where the readings are live.
    """
    for family, readings in poll.readings.items():
        pipeline, most = pipelines[family], pipelines[family].most
        for begin in range(0, len(readings), most):
            end = min(begin + most, len(readings))
            batch = readings if len(readings) <= most else readings.take(np.arange(begin, end))
            for piece in pipeline.expected.pieces(batch):
                yield Step(family, pipeline.process(piece, now), piece)


def flush(pipelines: Mapping[str, Pipeline]) -> Iterator[Step]:
    """The source has ended: flush what each pipeline still buffers."""
    for family, pipeline in pipelines.items():
        yield Step(family, pipeline.flush())


def run(
    source: Source, pipelines: Mapping[str, Pipeline], first: Poll | None = None
) -> Iterator[tuple[Poll, Iterator[Step]]]:
    """Process a bounded source to its end: each poll with its steps, the last one's ending with the flush.

    A step is processed when it is asked for, at the latest before the next poll: a model that is adopted after one
    poll scores the next.
    """
    for poll in polls(source, first):
        steps = chain(process(poll, pipelines), flush(pipelines) if poll.finished else ())
        yield poll, steps
        deque(steps, maxlen=0)  # those that the caller left out
