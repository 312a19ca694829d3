"""A small picture of the evidence, as PNG: readings, what was expected, and where the score came from."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from monitor.records.alerts import Evidence
from monitor.records.batches import Float32, Float64, Int64
from monitor.records.escapes import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 3  # channels
_WIDTH, _HEIGHT, _DPI = 6.4, 1.9, 100  # inches; a row for each channel
_SHOWN = 2000  # steps of a window, at most
_TITLE = 160  # characters
_LARGEST = 1e30


def picture(evidence: Evidence, title: str) -> bytes:
    """The channels that explain most of the score, one above the other; darker where the score comes from.

    Readings and expected values are in the units of the readings. The limit has the unit of the score, so it stands in
    the title, beside the score.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import; no pyplot, which keeps figures
    from matplotlib.figure import Figure

    share = np.nan_to_num(evidence.contribution.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    shade = share / max(float(share.max()), 1e-12)
    largest = np.argsort(-share.sum(axis=0), kind="stable")[:_MOST]
    figure = Figure(figsize=(_WIDTH, _HEIGHT * len(largest) + 0.6), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_plain(_titled(evidence, title)), fontsize=8, wrap=True)
    axes = figure.subplots(len(largest), 1, sharex=True, squeeze=False)[:, 0]
    steps = np.unique(np.linspace(0, len(share) - 1, min(len(share), _SHOWN)).astype(int))
    seconds = steps * ((evidence.end - evidence.start) / 1e9 / max(1, len(share) - 1))
    for axis, channel in zip(axes, largest, strict=True):
        _draw(axis, evidence, int(channel), steps, seconds)
        axis.imshow(
            shade[np.newaxis, steps, channel], aspect="auto", cmap="Reds", vmin=0, vmax=1, alpha=0.5, zorder=0,
            extent=(*_span(seconds), *axis.get_ylim()), interpolation="nearest",
        )  # fmt: skip
    began = datetime.fromtimestamp(evidence.start // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    axes[-1].set_xlabel(f"seconds after {began}", fontsize=7)
    body = io.BytesIO()
    figure.savefig(body, format="png")
    return body.getvalue()


def _draw(axis: Axes, evidence: Evidence, channel: int, steps: Int64, seconds: Float64) -> None:
    """The readings of one channel, where they usually lie, and what was expected."""
    axis.plot(seconds, _drawable(evidence.values[steps, channel]), color="#1f4e79", linewidth=1.2, label="readings")
    if evidence.band is not None:
        low, high = (_drawable(side[steps, channel]) for side in evidence.band)
        axis.fill_between(seconds, low, high, color="#888888", alpha=0.25, linewidth=0, label="usual")
    if evidence.reconstruction is not None:
        expected = _drawable(evidence.reconstruction[steps, channel])
        axis.plot(seconds, expected, color="#777777", linewidth=1, linestyle="--", label="expected")
    axis.set_xlim(*_span(seconds))
    axis.set_ylabel(_plain(evidence.channels[channel][:30]), fontsize=7)
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=6, loc="upper left", frameon=False)


def _titled(evidence: Evidence, title: str) -> str:
    score, limit = (evidence.facts.get(name) for name in ("score", "limit"))
    numbers = "" if score is None or limit is None else f"\nscore {score:.4g}, limit {limit:.4g}"
    return title[:_TITLE] + numbers


def _drawable(values: Float32) -> Float64:
    """Numbers so large that a scale cannot hold them are gaps, as missing ones are."""
    wide = values.astype(np.float64)
    return np.where(np.abs(wide) < _LARGEST, wide, np.nan)


def _span(seconds: Float64) -> tuple[float, float]:
    return float(seconds[0]), max(float(seconds[-1]), float(seconds[0]) + 1e-6)


def _plain(text: str) -> str:
    """Names are no formulas: matplotlib takes $ for the begin of one."""
    return "\n".join(map(visible, text.split("\n"))).replace("$", r"\$")
