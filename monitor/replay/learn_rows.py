"""What a file is scored by: a detector trained on its first rows, or on those of another file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from monitor.config.families import FEWEST_WINDOWS, Family
from monitor.errors import ModelError, SettingsError
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile, robust_scale
from monitor.ports.store import HistoryBlock
from monitor.records.alerts import Fact
from monitor.records.batches import DeadLetter, Float32, Poll, Readings
from monitor.training import fit
from monitor.training.clean_scores import without_faults
from monitor.training.growth import growing

MODEL = "of this file"  # stands for the id of a model that is never saved

Blocks = list[tuple[int, HistoryBlock]]  # code of the stream, readings on the grid


class Learned(NamedTuple):
    """What was learned from, what was learned of each stream, and what was found out about alerts meanwhile."""

    blocks: Blocks
    profiles: dict[str, Profile]
    facts: list[Fact]


def check_room(first: Poll, *, other: bool = False) -> None:
    """Raise SettingsError where the training rows are all there is, unless they are from an `other` file."""
    if not first.records:
        raise SettingsError("the file has no rows, only the names of its columns")
    if first.finished and not other:
        raise SettingsError(
            f"the file has only {first.records:,} rows and all of them would be learned from; lower --train-rows"
        )


@dataclass(frozen=True, slots=True)
class FileScores:
    """Mean and standard deviation of all scores but those of short faults.

    In a file, the limit starts from every training row rather than from the held-out ones in the main mode: a short
    training part may hold a rare but normal state (a night, a start-up) only once, and whether it was judged or learned
    is chance. `without_faults` leaves out what must not count.
    """

    mean: float
    std: float
    count: int

    @classmethod
    def of(cls, scores: Float32, longest: int) -> FileScores:
        """Of (n,) scores in order of time; a fault raises those of `longest` windows in a row at most."""
        clean = without_faults(scores, longest)
        return cls(float(clean.mean()), float(clean.std()), len(clean))


def normal_scores(family: Family) -> fit.NormalScores:
    """Where limits begin in a file: at the scores of all training rows but those of faults."""
    return fit.NormalScores(1.0, partial(FileScores.of, longest=_longest_fault(family)))


def learn_rows(pipeline: Pipeline, gridding: Pipeline, first: Poll, create: Callable[[], fit.Trainable]) -> Learned:
    """Train `pipeline` on the rows of a poll, which `gridding` lays on the grid."""
    return learn_steps(pipeline, list(loop.process(first, {gridding.name: gridding})), first, create)


def learn_steps(
    pipeline: Pipeline, steps: list[loop.Step], first: Poll, create: Callable[[], fit.Trainable]
) -> Learned:
    """Train `pipeline` on the rows of a poll, which these steps have laid on the grid."""
    blocks = [block for step in steps for block in step.outcome.history]
    history = [(pipeline.index.name(code), block) for code, block in blocks]
    facts = [fact for step in steps for fact in step.outcome.facts]
    return Learned(blocks, learn(pipeline, history, create, first.dead), facts)


def learn(
    pipeline: Pipeline,
    history: list[fit.Named],
    create: Callable[[], fit.Trainable],
    dead: Sequence[DeadLetter],
) -> dict[str, Profile]:
    """Train a detector here and now and give it to the pipeline; returns the profiles of the streams.

    `dead` are the training rows that cannot be read. Raises ModelError for too few readings.
    """
    normal = normal_scores(pipeline.family)
    try:
        detector, profiles = fit.train(pipeline.family, history, create, normal)
    except ModelError:
        rows = sum(len(block.values) for _, block in history)
        whole = sum(int((~np.isnan(block.values)).all(axis=1).sum()) for _, block in history)
        unread = f"{len(dead)} of the training rows cannot be read, the first is {dead[0].error}; " if dead else ""
        garbage = sum(int(robust_scale(b.values).garbage(b.values).any(axis=1).sum()) for _, b in history)
        unread += f"{garbage:,} of them are garbage, absurdly far from the others; " if garbage else ""
        if 4 * (rows - whole) > rows > rows - whole:
            unread += f"{rows - whole:,} of {rows:,} lack a value for longer than align.max_gap: leave those rows out; "
        raise ModelError(
            f"{unread}the training rows hold {whole} readings without missing values, but fewer than {FEWEST_WINDOWS} "
            f"complete windows of {pipeline.family.shape.length}; "
            "raise --train-rows, shorten --window, or give the right --interval"
        ) from None
    pipeline.adopt(MODEL, detector, profiles)
    return profiles


def _longest_fault(family: Family) -> int:
    """Windows that a fault raises: as many as hold one reading, twice, for faults that are close."""
    return 2 * -(-family.shape.length // family.shape.hop) if family.window.rules.consecutive else 1


def prime(pipeline: Pipeline, gridding: Pipeline, blocks: Blocks) -> int:
    """Let the first windows reach back into the training rows of the one stream, none of which is judged.

    Returns where the stream's clock stands, ns.
    """
    code, family = blocks[0][0], pipeline.family
    time = np.concatenate([block.time for _, block in blocks])
    values = np.concatenate([block.values for _, block in blocks])
    keep = min(family.shape.length - 1, len(time)) if family.window.rules.consecutive else 0
    none = np.zeros(keep, np.int32)
    first = len(time) - keep
    rows = Readings(none + np.int32(code), time[first:], values[first:], none, none.astype(np.int64))
    pipeline.prime(rows, gridding)
    return int(pipeline.clock(np.array([code]))[0])


def growing_in(pipeline: Pipeline, blocks: Blocks) -> list[str]:
    """A sentence for each channel that only grows in what was learned from."""
    family = pipeline.family
    if family.shape.width != len(family.channels) or not blocks:
        return []
    return growing(family.channels, np.concatenate([block.values for _, block in blocks]))
