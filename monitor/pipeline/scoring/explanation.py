"""Why a window opened an alert."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.ports.scorer import Scorer
from monitor.records.alerts import Alert, Evidence
from monitor.records.batches import Windows


def explain(
    alert: Alert,
    window: Windows,
    channels: tuple[str, ...],
    scorer: Scorer | None,
    profiles: Profiles | None,
    facts: Mapping[str, float],
) -> Evidence:
    """The evidence of the window (one row) that opened the alert; `facts` are what else is known of the window.

    Without a scorer, for a stream that has no model, the window's own median is what was expected. `profiles` scale
    the window for the scorer; None where it takes readings as they are.
    """
    values = window.values[0]
    if scorer is not None:
        scaled = window.values if profiles is None else profiles.apply(window.stream, window.values)
        expected = scorer.reconstruct(scaled)
        if profiles is not None:
            expected = profiles.undo(window.stream, expected)
        contribution = scorer.explain(scaled)[0]
    else:
        expected = np.broadcast_to(np.median(window.values, axis=1, keepdims=True), window.values.shape)
        contribution = np.abs(values - expected[0])
        contribution = contribution / max(float(contribution.sum()), 1e-12)
    return Evidence(
        alert=alert.id,
        start=int(window.start[0]),
        end=int(window.end[0]),
        channels=channels,
        values=values,
        reconstruction=np.asarray(expected[0], dtype=np.float32),
        contribution=np.asarray(contribution, dtype=np.float32),
        facts=facts,
    )
