"""An epoch of training: batches, trimmed loss, held-out windows and the best weights, against the plainest loop.

Both train the default net on windows of 140 readings with batches of 64, on one thread, in turn. The plainest loop does
nothing but zero_grad, forward, mean squared error, backward and step.
"""

from __future__ import annotations

import pytest

from tests.benchmarks.report import Figure, Report
from tests.benchmarks.rig import lane
from tests.benchmarks.scale import scaled

pytestmark = pytest.mark.timeout(1800)
WINDOWS = scaled(2326, 128)  # as many as the training beats of ECG5000
ROUNDS = scaled(7)


@pytest.mark.parametrize(("kind", "name"), [("lstm", "LSTM"), ("dense", "dense")])
def test_against_the_plainest_loop(report: Report, kind: str, name: str) -> None:
    found = lane("training.epoch", kind, WINDOWS, ROUNDS)
    goals = (1.2, 1.1, 1.0) if kind == "lstm" else ()
    detail = {"seconds": found["seconds"]}
    report.add(
        Figure(f"training, epoch of the {name} / plainest loop", found["ratio"], goals, most=True, detail=detail)
    )
