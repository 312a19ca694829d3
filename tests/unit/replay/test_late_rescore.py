"""Which past is replayed for late readings, which windows are compared, and whose ledger is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli import late as command
from monitor.config.families import Family
from monitor.config.resolved import Grid, Shape
from monitor.errors import SettingsError
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.windowing.sliding import SlidingWindower
from monitor.records.batches import Readings
from monitor.records.late import LateReading
from monitor.replay.late_rescore import past_of, touched
from monitor.store.migrations import upgrade

S = 10**9
LENGTH, GAP = 4, 3


def family(**changes: Any) -> Family:
    return Family.model_validate(
        {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": LENGTH}} | changes
    )


def windows(slots: list[int]) -> dict[int, bytes]:
    """The windows of readings at these slots, by their end."""
    grid = Grid(10 * S, 0, GAP)
    aligner, windower = Aligner(1, grid), SlidingWindower(Shape(LENGTH, 1, 1, 1), grid)
    aligner.grow(1)
    windower.grow(1)
    none, slot = np.zeros(len(slots), np.int32), np.array(slots, np.int64)
    values = (slot * slot % 7).astype(np.float32)[:, None]
    found = windower.add(aligner.add(Readings(none, slot * 10 * S, values, none, slot)))
    return {int(end): row.tobytes() for end, row in zip(found.end, found.values, strict=True)}


@pytest.mark.parametrize(
    "missing", [[50], [50, 51, 52], [47, 48, 50], [50, 52, 53], [47, 48, 49, 50], [50, 51, 52, 53]]
)
@pytest.mark.parametrize("off", [-4 * S, 0, 4 * S])
def test_the_touched_span_holds_every_window_that_differs(missing: list[int], off: int) -> None:
    """Whatever else is missing around the reading at slot 50, which comes `off` the grid."""
    without = [slot for slot in range(100) if slot not in missing]
    before, after = windows(without), windows(sorted([*without, 50]))
    differ = [end for end in before | after if before.get(end) != after.get(end)]

    first, last = touched([500 * S + off], family())

    assert first <= min(differ)
    assert max(differ) <= last
    assert last - first == (2 * GAP + LENGTH - 1) * 10 * S


@pytest.mark.parametrize(
    ("threshold", "history"),
    [({"kind": "static"}, 0), ({"history": "1h"}, 3600 * S), ({"history": 30}, 30 * 2 * 10 * S)],
)
def test_a_replay_begins_one_history_earlier(threshold: dict[str, Any], history: int) -> None:
    of = family(threshold=threshold, window={"length": LENGTH, "hop": 2})
    row = LateReading(stream="m", time=1_000_004 * S, behind=95 * S, values=(1.0,), partition=0, offset=0)
    first, last = touched([row.time], of)

    past = past_of([row], "f", of)

    assert past.start == first - (LENGTH + 1) * 10 * S - history
    assert past.end > last + 5 * S  # a reading of the last slot may be half an interval later
    assert (past.lateness, past.left_out) == (10, 0)


def test_the_ledger_of_a_run_that_is_unknown(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'plant.db'}"
    upgrade(url)
    assert "No late reading is kept of run live" in CliRunner().invoke(command.app, ["list", "--url", url]).stdout

    result = CliRunner().invoke(command.app, ["list", "--url", url, "--run", "nope"])

    assert isinstance(result.exception, SettingsError)
    assert "no run named 'nope'" in str(result.exception)
