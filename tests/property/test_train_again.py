"""Training again at reading counts: any cut of a file into polls gives the same trainings and the same scores."""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.config.families import Alerts, Family
from monitor.records.batches import Float32, Poll, Readings
from monitor.records.streams import StreamIndex
from monitor.replay.learn_rows import learn_rows, prime
from monitor.replay.train_again import Making, Retrained, TrainAgain

FIRST, COUNT = 300, 1500
FAMILY = Family.model_validate(
    {
        "topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 6}, "align": {"lateness": 0},
        "detector": {"kind": "mahalanobis"}, "train": {"after": FIRST, "every": 500},
    }
)  # fmt: skip

NO_ALERTS = FAMILY.model_copy(update={"alerts": Alerts(open_count=32, open_of=32)})  # of faults that none excludes


@cache
def values() -> Float32:
    rng = np.random.default_rng(1)
    made = 20 + np.sin(np.arange(COUNT) / 15) + 0.3 * rng.normal(size=COUNT)
    return made.astype(np.float32)[:, None]


def poll(begin: int, end: int, *, spoilt: bool) -> Poll:
    none = np.zeros(end - begin, np.int32)
    number = np.arange(begin, end, dtype=np.int64)
    rows = values()[begin:end].copy()
    if spoilt:
        rows[(number >= 600) & (number // 8 % 2 == 0)] += np.float32(9)
    readings = Readings(none, number * 10**9, rows, none, number)
    return Poll(records=end - begin, readings={"file": readings}, finished=end == COUNT)


def score(cuts: list[int], *, spoilt: bool = False) -> tuple[list[Retrained], list[float], list[float]]:
    """The trainings, and every score and limit, of a file whose polls end at these rows."""
    index = StreamIndex()
    index.intern(["file"])
    family = NO_ALERTS if spoilt else FAMILY
    gridding, pipeline = (bootstrap.pipeline("file", family, "file", index) for _ in range(2))
    create = partial(bootstrap.detector, family)
    learned = learn_rows(pipeline, gridding, poll(0, FIRST, spoilt=spoilt), create)
    prime(pipeline, gridding, learned.blocks)
    again = TrainAgain(pipeline, learned, Making(create, partial(bootstrap.recipe, family)))
    edges = [FIRST, *sorted({cut for cut in cuts if FIRST < cut < COUNT}), COUNT]
    found: list[float] = []
    limits: list[float] = []
    for begin, end in pairwise(edges):
        for step in again._process(poll(begin, end, spoilt=spoilt)):
            found += step.outcome.scores.score.tolist()
            limits += step.outcome.scores.limit.tolist()
    return again.trainings, found, limits


def test_it_trains_when_the_rows_have_doubled_and_then_every_so_often() -> None:
    trainings, *_ = score([])

    assert [training.readings for training in trainings] == [600, 1100]
    assert [training.refused for training in trainings] == ["", ""]


def test_what_is_poisoned_is_refused_in_files_too() -> None:
    trainings, *_ = score([], spoilt=True)

    assert [training.readings for training in trainings] == [600, 1100]
    assert trainings[0].refused == ""
    assert trainings[1].refused


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(FIRST, COUNT), max_size=8))
def test_any_cut_gives_the_same_trainings_and_scores(cuts: list[int]) -> None:
    assert score(cuts) == score([])
