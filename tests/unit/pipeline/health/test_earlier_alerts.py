"""Open alerts in states of the version before, which knew no channels: they end, and go on as those of channels.

The files in `golden/` were written by the version in their name, with `SETTINGS`, after 25 s: m-0 frozen since second
20 by a run that began at 10, and m-1 out of range at 24.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from monitor.pipeline.family import Pipeline
from monitor.records.alerts import alert_id
from monitor.records.batches import Readings
from tests.unit.pipeline.health.test_stream_health import S, pipeline, readings

GOLDEN = Path(__file__).with_name("golden")
SETTINGS: dict[str, Any] = {
    "channels": ["a", "b"], "valid_range": {"b": [0.0, 100.0]}, "health": {"frozen_after": "10s"},
}  # fmt: skip
CODES = np.arange(2, dtype=np.int32)


def resumed() -> Pipeline:
    made = pipeline(2, **SETTINGS)
    states = [(GOLDEN / f"{kind}-v3.2.bin").read_bytes() for kind in ("frozen", "out-of-range")]
    assert made.load(CODES, states) == set()
    return made


def later(bad: float) -> Readings:
    rows = [(s, t, [7.0 if s == 0 else t % 5, 3.0 if s == 0 else bad]) for t in range(25, 31) for s in range(2)]
    stream, time, values = zip(*rows, strict=True)
    return readings(stream, time, values)


def test_they_end_and_begin_again_by_channel() -> None:
    made = resumed()
    facts = made.process(later(200.0)).facts

    told = [(f.alert_kind, f.stream, f.channel, str(f.kind)) for f in facts if str(f.kind) != "continued"]
    assert sorted(told[:2]) == [("frozen", "m-0", "", "cleared"), ("out-of-range", "m-1", "", "cleared")]
    assert {f.alert for f in facts[:2]} == {
        alert_id("live", "f", "m-0", 20 * S, "frozen"), alert_id("live", "f", "m-1", 24 * S, "out-of-range"),
    }  # fmt: skip
    assert set(told[2:]) == {
        ("frozen", "m-0", "a", "opened"), ("frozen", "m-0", "b", "opened"), ("out-of-range", "m-1", "b", "opened"),
    }  # fmt: skip
    begun = {f.channel: f.started_at for f in facts if f.alert_kind == "frozen" and f.channel}
    assert begun == {"a": 10 * S, "b": 10 * S}  # the runs of equal values go on


def test_they_end_once_even_if_no_reading_comes() -> None:
    made = resumed()
    outcome = made.flush()
    assert (len(outcome.facts), outcome.touched) == (2, {0, 1})
    states = made.dump(CODES)
    again = pipeline(2, **SETTINGS)
    assert again.load(CODES, states) == set()
    assert again.flush().facts == []


def test_streams_that_leave_take_theirs_along() -> None:
    made = resumed()
    made.forget(CODES[:1])
    assert [fact.stream for fact in made.flush().facts] == ["m-1"]
