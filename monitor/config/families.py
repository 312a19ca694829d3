"""The `families` tables: what is watched, how it is cut into windows, scored, judged and alerted on."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field, model_validator

from monitor.config.durations import Duration, Interval, Span, Spanned
from monitor.config.formats import Format
from monitor.config.health import Health, Range
from monitor.config.sections import Section
from monitor.config.windows import Window


class Align(Section):
    """From event time to the grid."""

    lateness: Spanned = Span(count=1)
    max_gap: Spanned = Span(count=3)
    max_age: Spanned = Span(count=10)
    max_imputed: float = Field(default=0.2, ge=0, le=1)
    max_future_skew: Duration = 5 * 60 * 10**9


class Detector(Section):
    """Which autoencoder; docs/configuration.md lists the kinds and the `options` of each."""

    kind: str = "dense"
    options: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0


class Train(Section):
    """When a stream has been seen for `after`, it gets a model of its family; training takes that span.

    `wait` holds reading back while the first model is trained: for catching up with the past at full speed.
    """

    after: Spanned = Span(count=2000)
    wait: bool = False


class Threshold(Section):
    """The limit. `rolling`: mean + n_std·std of the last `history` of normal scores; `static`: of the training's."""

    kind: Literal["rolling", "static"] = "rolling"
    n_std: float = Field(default=6.0, gt=0)
    history: Spanned = Span(time=24 * 3600 * 10**9)


class Alerts(Section):
    """Open when `open_count` of the last `open_of` windows reach the limit; resolve after `resolve_after` calm ones."""

    open_count: int = Field(default=2, ge=1, le=32)
    open_of: int = Field(default=3, ge=1, le=32)
    resolve_after: int = Field(default=3, ge=1, le=10_000)
    resolve_below: float = Field(default=0.85, gt=0, le=1)
    critical: float = Field(default=2.0, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Alerts:
        if self.open_count > self.open_of:
            raise ValueError(f"open_count = {self.open_count} of open_of = {self.open_of} can never happen")
        return self


class Family(Section):
    """The streams of one topic that share window, detector, threshold and alert settings."""

    topic: str
    channels: tuple[str, ...] = Field(default=("value",), min_length=1)
    interval: Interval
    scale: Literal["stream", "none"] = "stream"
    valid_range: dict[str, Range] = Field(default_factory=dict)
    format: Format = Format()
    align: Align = Align()
    window: Window
    detector: Detector = Detector()
    train: Train = Train()
    threshold: Threshold = Threshold()
    alerts: Alerts = Alerts()
    health: Health = Health()

    @property
    def length(self) -> int:
        """Readings in a window."""
        return self.window.length.steps(self.interval, "window.length")

    @property
    def hop(self) -> int:
        """Readings between window ends."""
        if self.window.hop is not None:
            return self.window.hop.steps(self.interval, "window.hop")
        return self.length if self.window.kind == "tumbling" else 1

    @property
    def rate(self) -> float:
        """Readings per second; the family has a grid, or its windows are beats."""
        return self.window.rate or 1e9 / (self.interval or math.nan)

    @property
    def width(self) -> int:
        """Numbers in one reading: channels, or a whole window where each message is one."""
        return len(self.channels) * (self.length if self.window.kind == "message" else 1)
