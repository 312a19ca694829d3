"""Why a window opened an alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import numpy as np

from monitor.pipeline.scoring.stream_scaling import FLOAT32, Profiles
from monitor.ports.scorer import Scorer
from monitor.records.alerts import Evidence
from monitor.records.batches import Bool, Float32, Windows


def explain(
    alert: UUID,
    window: Windows,
    channels: tuple[str, ...],
    scorer: Scorer | None,
    profiles: Profiles | None,
    facts: Mapping[str, float],
) -> Evidence:
    """The evidence of the window (one row) that opened the alert; `facts` are what else is known of the window.

    Without a scorer, for a stream that has no model, the window's own median is what was expected. `profiles` scale
    the window for the scorer; None where it takes readings as they are. A scorer that does not explain, or cannot with
    numbers so large, leaves each cell's share of the distance from that median.
    """
    values = window.values[0]
    middle = np.median(values.astype(np.float64), axis=0).astype(np.float32)  # the mean of two may be beyond float32
    median = np.broadcast_to(middle, values.shape)
    expected, contribution = (median, None) if scorer is None else _by_model(window, scorer, profiles)
    if contribution is None or not np.isfinite(contribution).all():
        distance = np.nan_to_num(np.abs(values.astype(np.float64) - median), posinf=float(FLOAT32.max))
        contribution = distance / max(float(distance.sum()), 1e-12)
    return Evidence(
        alert=alert,
        start=int(window.start[0]),
        end=int(window.end[0]),
        channels=channels,
        values=values,
        reconstruction=None if expected is None else np.asarray(expected, dtype=np.float32),
        contribution=np.asarray(contribution, dtype=np.float32),
        facts=facts,
    )


def by_companions(found: Evidence, window: Windows, usual: Float32) -> Evidence:
    """The evidence of a window (one row) that no model scored: `usual` (length, channels) was expected.

    It begins with the first reading of the window.
    """
    (values,) = window.values
    lacking = int(np.argmax(~np.isnan(values).all(axis=1)))
    away = np.nan_to_num(np.abs(values.astype(np.float64) - usual), posinf=float(FLOAT32.max))[lacking:]
    share = (away / max(float(away.sum()), 1e-12)).astype(np.float32)
    return replace(found, values=values[lacking:], reconstruction=usual[lacking:], contribution=share)


def without_channels(found: Evidence, values: Float32, lacks: Bool) -> Evidence:
    """The evidence of a window whose channels `lacks` (channels,) were filled in; `values` is the window itself."""
    share = np.where(lacks, np.float32(0), found.contribution)
    return replace(found, values=values, contribution=share / np.maximum(share.sum(), np.float32(1e-12)))


def blamed(found: Evidence, added: Float32, score: float) -> Evidence:
    """The evidence where companions `added` (channels,) to the score: their share goes to these channels, step by step.

    The rest of the contribution is the detector's.
    """
    share = np.nan_to_num(added.astype(np.float64) / max(score, 1e-12), posinf=0)
    steps = len(found.contribution)
    mixed = found.contribution * max(1 - share.sum(), 0) + share / steps
    return replace(found, contribution=np.asarray(mixed / max(mixed.sum(), 1e-12), np.float32))


def _by_model(window: Windows, scorer: Scorer, profiles: Profiles | None) -> tuple[Float32 | None, Float32 | None]:
    """Reconstruction, in the units of the readings, and contribution of the window, (length, channels) each."""
    scaled = window.values if profiles is None else profiles.apply(window.stream, window.values)
    expected, contribution = scorer.reconstruct(scaled), scorer.explain(scaled)
    if expected is not None and profiles is not None:
        expected = profiles.undo(window.stream, expected)
    return None if expected is None else expected[0], None if contribution is None else contribution[0]
