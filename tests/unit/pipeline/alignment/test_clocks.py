"""What may move a stream's clock: one reading from the future may not, two that agree may."""

from __future__ import annotations

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.resolved import Grid
from monitor.pipeline.family import Pipeline
from monitor.records.batches import FOREVER, Readings
from monitor.records.counters import COUNTERS, READINGS
from monitor.records.streams import StreamIndex

S = 10**9
DAY = 86_400
JUMP = 1 + 3 + 1  # intervals: lateness, max_gap, and the next one
FIRST = np.array([0], np.int32)


def family(**changes: object) -> Family:
    return Family.model_validate(
        {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 2}, **changes}
    )


def pipeline(**changes: object) -> Pipeline:
    index = StreamIndex()
    index.intern(["m-0"])
    return bootstrap.pipeline("f", family(**changes), index=index)


def readings(*seconds: float, sent: list[int] | None = None) -> Readings:
    none, count = np.zeros(len(seconds), np.int32), len(seconds)
    stamps = None if sent is None else np.array(sent, np.int64)
    time = (np.array(seconds) * S).astype(np.int64)
    return Readings(none, time, np.arange(count, dtype=np.float32)[:, None], none, np.arange(count), stamps)


def counts(made: Pipeline) -> dict[str, int]:
    found = dict(zip(COUNTERS, made.counters(FIRST)[0].tolist(), strict=True))
    return {name: found[name] for name in READINGS}


def clock(made: Pipeline) -> float:
    return float(made.clock(FIRST)[0]) / S


def of(accepted: int, late: int = 0, duplicate: int = 0, future: int = 0) -> dict[str, int]:
    return dict(zip(READINGS, (accepted, late, duplicate, future), strict=True))


@pytest.mark.parametrize("ahead", [JUMP + 2, DAY, 10 * 365 * DAY])
def test_one_reading_ahead_is_set_aside(ahead: int) -> None:
    made = pipeline()
    made.process(readings(0, 1, 2, 2 + ahead, 3, 4, 5))
    assert (counts(made), clock(made)) == (of(accepted=6, future=1), 5)


def test_a_jump_within_what_is_filled_in_is_believed_at_once() -> None:
    made = pipeline()
    made.process(readings(0, 1, 2, 2 + JUMP))
    assert clock(made) == 2 + JUMP


@pytest.mark.parametrize("again", [1, -1, 3600, 29 * DAY])
def test_a_second_one_near_it_makes_it_a_gap(again: int) -> None:
    """The next one, one that came before it and was overtaken, and a stream that sends rarely."""
    made = pipeline()
    made.process(readings(0, 1, 2, DAY, DAY + again, DAY + again + 2))
    assert (counts(made), clock(made)) == (of(accepted=6), DAY + again + 2)


def test_two_jumps_that_do_not_agree_confirm_nothing() -> None:
    made = pipeline()
    made.process(readings(0, 1, 10 * 365 * DAY, 14 * 365 * DAY, 2, 3))
    assert (counts(made), clock(made)) == (of(accepted=4, future=2), 3)


def test_what_does_not_move_the_clock_decides_nothing() -> None:
    """A late reading, and one that is delivered again, after a gap."""
    made = pipeline()
    made.process(readings(0, 1, 2, 3, DAY, 0, 3, DAY, DAY + 1))
    assert (counts(made), clock(made)) == (of(accepted=6, late=1, duplicate=2), DAY + 1)


def test_readings_out_of_order_after_a_gap_are_all_kept() -> None:
    made = pipeline(align={"lateness": 4})
    made.process(readings(0, 1, 2, *(DAY + at for at in (3, 1, 2, 0, 4, 5))))
    made.flush()
    assert counts(made) == of(accepted=9)


@pytest.mark.parametrize("wrong", [10 * 365 * DAY, -10 * 365 * DAY])
def test_a_first_reading_that_is_wrong_costs_no_other(wrong: int) -> None:
    made = pipeline()
    made.process(readings(wrong, 0, 1, 2, 3))
    assert (counts(made)["future"], clock(made)) == (wrong > 0, 3)
    assert counts(made)["accepted"] == 4 + (wrong < 0)


def test_a_second_reading_that_is_wrong_costs_no_other() -> None:
    for wrong in (10 * 365 * DAY, -10 * 365 * DAY):
        made = pipeline()
        made.process(readings(0, wrong, 1, 2, 3))
        assert clock(made) == 3
        assert counts(made)["accepted"] == 4 + (wrong < 0)


def test_at_the_end_a_first_reading_counts_and_a_jump_does_not() -> None:
    alone, jumped = pipeline(), pipeline()
    alone.process(readings(0))
    jumped.process(readings(0, 1, DAY))
    expected = of(accepted=1), of(accepted=2, future=1)
    assert (counts(alone), counts(jumped)) == expected
    outcomes = alone.flush(), jumped.flush()
    assert [outcome.touched for outcome in outcomes] == [{0}, {0}]
    assert (counts(alone), counts(jumped)) == expected
    assert (clock(alone), clock(jumped)) == (0, 1)


def test_what_is_held_counts_as_what_it_is_if_nothing_confirms_it() -> None:
    made = pipeline()
    for batch, expected in (
        (readings(0), of(accepted=1)),
        (readings(1), of(accepted=2)),
        (readings(DAY), of(accepted=2, future=1)),
        (readings(DAY + 1), of(accepted=4)),
    ):
        made.process(batch)
        assert counts(made) == expected


def test_a_held_reading_survives_a_restart() -> None:
    made = pipeline()
    made.process(readings(0, 1, 2, DAY))
    again = pipeline()
    assert again.load(FIRST, made.dump(FIRST)) == set()
    again.process(readings(DAY + 1))
    assert (counts(again), clock(again)) == (of(accepted=5), DAY + 1)


def test_the_future_is_ahead_of_when_the_record_was_written() -> None:
    """Whenever it is read; a record without a timestamp is compared with the wall clock, where there is one."""
    skew = 5 * 60
    sent = [at * S for at in (0, 1, 2, 3)]
    for now in (None, 0, DAY * S):
        made = pipeline()
        made.process(readings(0, 1, 2 + skew + 1, 3 + skew, sent=sent), now)
        assert counts(made)["future"] == 1 + 1  # the last one is a jump, and alone
        assert clock(made) == 1
    made = pipeline()
    made.process(readings(0, 1, 2, sent=[FOREVER] * 3), now=-DAY * S)
    assert counts(made) == of(accepted=3)
    made = pipeline()
    made.process(readings(0, 1, 2), now=(1 - skew) * S)
    assert counts(made) == of(accepted=2, future=1)


def test_how_far_is_a_setting() -> None:
    made = pipeline(align={"max_jump": "1h"})
    made.process(readings(0, 1, 3600))
    assert clock(made) == 3600
    assert [family(align={"max_jump": jump}).grid.jump for jump in ("1s", "2500ms", "1m")] == [JUMP, JUMP, 60]
    by_count = [family(interval="none", align=align).grid.jump for align in ({}, {"max_jump": "1h"})]
    assert by_count == [DAY * S, 3600 * S]


def test_the_saved_meaning_of_a_grid_is_as_before() -> None:
    """Parts of saved states are signed with its text."""
    assert repr(Grid(10, 1, 2, 3, 4)) == "Grid(interval=10, lateness=1, max_gap=2, max_age=3)"
