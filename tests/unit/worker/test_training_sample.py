"""Readings sampled for training, gathered into a block for each stream."""

from __future__ import annotations

import numpy as np

from monitor.pipeline.scoring.sampling import Sample
from monitor.worker.training_sample import EACH, TrainingSample


def sample(codes: list[int], first: int) -> Sample:
    """One reading of each of these streams, at times that rise."""
    time = first + np.arange(len(codes))
    return Sample(np.array(codes, np.int32), time, time[:, None].astype(np.float32))


def test_each_stream_gets_one_block_in_the_order_in_which_its_readings_came() -> None:
    gathered = TrainingSample()
    gathered.add(np.array([30, 30, 10]), sample([2, 2, 500], 0))  # ids need not rise with codes
    gathered.add(np.array([20, 30, 10]), sample([1, 2, 500], 100))

    assert gathered.streams == {1, 2, 500}
    assert gathered.count == 6
    assert gathered.weight == 6 * (8 + 4)
    blocks = gathered.take()
    assert [(block.id, block.time.tolist()) for block in blocks] == [(10, [2, 102]), (20, [100]), (30, [0, 1, 101])]
    assert all(block.values[:, 0].tolist() == block.time.tolist() for block in blocks)
    assert (gathered.streams, gathered.count, gathered.weight, gathered.take()) == (set(), 0, 0, [])


def test_they_are_written_when_a_stream_has_enough_on_average() -> None:
    gathered = TrainingSample()
    for turn in range(EACH):
        assert not gathered.due
        gathered.add(np.array([3, 4]), sample([0, 1], turn))
    assert gathered.due
