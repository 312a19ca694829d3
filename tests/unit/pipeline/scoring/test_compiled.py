"""What the companions of `default` compile at the first windows of every process."""

from __future__ import annotations

import subprocess
import sys

FIRST_WINDOWS = """
import numpy as np
from numba.core import event
from monitor.config.families import Family
from monitor.pipeline.scoring.recipes.default import Sum
from monitor.records.batches import Windows

mixture = Sum(Family.model_validate({"topic": "plant", "interval": "1s", "recipe": "default"}))
for part in (*mixture.companions.values(), *mixture.calibration.values()):
    part.grow(1)
stream, end, none = np.zeros(9, np.int32), np.arange(9) * 10**9, np.zeros(9, np.float32)
windows = Windows(stream, end, end, np.ones((9, 24, 1), np.float32), none)
with event.install_recorder("numba:compile") as recorder:
    mixture.shown(windows)
    mixture.components(windows, none, {})
for _, of in recorder.buffer:
    if of.is_start:
        print(of.data["dispatcher"].py_func.__module__)
"""


def test_no_text_formatting_is_compiled() -> None:
    """It comes with the errors of slices that do not fit, and takes longer to compile than a companion."""
    command = [sys.executable, "-c", FIRST_WINDOWS]
    modules = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert "monitor.pipeline.scoring.companions.time_of_day" in modules
    assert not [name for name in modules if "unicode" in name or "strings" in name]
