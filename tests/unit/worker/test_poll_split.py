"""A poll cut in two: nothing is lost, messages stay whole, and each part can be committed on its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.records.batches import DeadLetter, Poll, Readings
from monitor.worker.poll_split import split


@given(
    messages=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30), cut=st.integers(1, 60)
)
def test_both_parts_together_are_the_poll(messages: list[tuple[int, int]], cut: int) -> None:
    """Each message has a partition and 0 to 3 readings; none = it could not be read."""
    rows: list[tuple[int, int]] = []
    dead: list[DeadLetter] = []
    ends: dict[tuple[str, int], int] = {}
    for partition, readings in messages:
        offset = ends.get(("t", partition), 0)
        ends["t", partition] = offset + 1
        rows += [(partition, offset)] * readings
        if not readings:
            dead.append(DeadLetter(topic="t", partition=partition, offset=offset, reason="json", error="no"))
    partitions, offsets = np.array(rows, np.int64).reshape(-1, 2).T
    n = len(rows)
    values = np.arange(n, dtype=np.float32)[:, None]
    readings_ = Readings(np.zeros(n, np.int32), np.arange(n), values, partitions.astype(np.int32), offsets)
    other = readings_.take(np.arange(0))
    poll = Poll({"f": readings_, "g": other}, dead, ends, records=len(messages), at_end=True)

    now, later = split(poll, {"t": ("f", cut), "u": ("g", 1)})

    parts = [now] if later is None else [now, later]
    assert np.concatenate([part.readings["f"].values for part in parts]).tolist() == values.tolist()
    assert sorted((d.partition, d.offset) for part in parts for d in part.dead) == sorted(
        (d.partition, d.offset) for d in dead
    )
    assert {p: end for part in parts for p, end in part.positions.items()} == ends
    assert [part.at_end for part in parts] == [False] * (len(parts) - 1) + [True]
    assert sum(part.records for part in parts) == len(messages)
    if later is not None:
        for p, o in zip(later.readings["f"].partition, later.readings["f"].offset, strict=True):
            assert o >= now.positions["t", int(p)]
        assert len(now.readings["f"]) >= cut
    for p, o in zip(now.readings["f"].partition, now.readings["f"].offset, strict=True):
        assert o < now.positions["t", int(p)]


def test_two_families_are_cut_each_at_its_own_reading() -> None:
    none = np.zeros(4, np.int32)
    readings = Readings(none, np.arange(4), np.arange(4, dtype=np.float32)[:, None], none, np.arange(4))
    poll = Poll({"f": readings, "g": readings}, [], {("t", 0): 4, ("u", 0): 4}, records=8)
    now, later = split(poll, {"t": ("f", 1), "u": ("g", 3)})
    assert later is not None
    assert (len(now.readings["f"]), len(now.readings["g"])) == (1, 3)
    assert (len(later.readings["f"]), len(later.readings["g"])) == (3, 1)
    assert now.positions == {("t", 0): 1, ("u", 0): 3}
    assert later.positions == {("t", 0): 4, ("u", 0): 4}
