"""The `families` tables: what is watched, how it is cut into windows, scored, judged and alerted on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from monitor.config.durations import LONGEST, Duration, Interval, Span, Spanned, format_duration
from monitor.config.formats import Format, format_problems
from monitor.config.health import NEVER_SILENT, UNSCORED_BEATS, UNSCORED_WINDOWS, Health, Range, health_problems
from monitor.config.names import Topic
from monitor.config.overrides import Override, override_problems
from monitor.config.resolved import Grid, Shape
from monitor.config.sections import Section
from monitor.config.windows import Window
from monitor.errors import SettingsError

FEWEST_WINDOWS = 32  # to train a model, or to profile a stream for one
FEWEST_READINGS, MOST_READINGS = 2000, 86_400  # that training waits for by default
DAY = 24 * 3600 * 10**9
MOST_STREAMS = 200_000  # of a family by default: names come from outside
MOST_NUMBERS = 2**22  # in a window, or in the readings of a stream that wait for earlier ones: 16 MiB


class Align(Section):
    """From event time to the grid."""

    lateness: Spanned = Span(count=1)
    max_gap: Spanned = Span(count=3)
    max_age: Spanned = Span(count=10)
    max_imputed: float = Field(default=0.2, ge=0, le=1)
    max_future_skew: Duration = 5 * 60 * 10**9
    max_jump: Duration | None = None


class Detector(Section):
    """Which autoencoder; docs/configuration.md lists the kinds and the `options` of each."""

    kind: str = "dense"
    options: dict[str, Any] = Field(default_factory=dict)
    seed: int = Field(default=0, ge=0, lt=2**32)


class Train(Section):
    """When a stream has been seen for `after`, it gets a model of its family; training takes that span.

    By default that is a day, so that the first evening is no anomaly, but `FEWEST_READINGS` at least and
    `MOST_READINGS` at most; without a grid it is `FEWEST_READINGS`. `wait` holds reading back while the first model is
    trained: for catching up with the past at full speed.
    """

    after: Spanned | None = None
    wait: bool = False


class Threshold(Section):
    """The limit. `rolling`: mean + n_std·std of the last `history` of normal scores; `static`: of the training's."""

    kind: Literal["rolling", "static"] = "rolling"
    n_std: float = Field(default=6.0, gt=0)
    history: Spanned = Span(time=DAY)


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

    topic: Topic
    channels: tuple[str, ...] = Field(default=("value",), min_length=1)
    interval: Interval
    max_streams: int = Field(default=MOST_STREAMS, ge=1, le=50 * MOST_STREAMS)
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
    overrides: tuple[Override, ...] = ()

    @property
    def grid(self) -> Grid:
        """Where its readings are put. Raises SettingsError for a duration that is no whole number of intervals."""
        align, interval = self.align, self.interval
        if interval is None or self.window.rules.whole:
            return Grid(None, max_jump=align.max_jump or 0)
        spans = (("lateness", align.lateness), ("max_gap", align.max_gap), ("max_age", align.max_age))
        lateness, max_gap, max_age = (span.steps(interval, f"align.{name}") for name, span in spans)
        return Grid(interval, lateness, max_gap, max_age, align.max_jump or 0)

    @property
    def shape(self) -> Shape:
        """What its windows hold. Raises SettingsError for a duration that is no whole number of intervals."""
        window, channels = self.window, len(self.channels)
        length = window.length.steps(self.interval, "window.length")
        hop = length if window.rules.tumbles else 1
        if window.hop is not None:
            hop = window.hop.steps(self.interval, "window.hop")
        return Shape(length, hop, channels, channels * length if window.rules.whole else channels)

    @property
    def may_freeze(self) -> bool:
        """Whether its sensors can be seen to have stopped: readings of all channels, evenly spaced."""
        return self.interval is not None and self.window.rules.consecutive and not self.format.channel

    @property
    def train_after(self) -> int:
        """Readings a stream is seen for before it gets a model, which is trained on as many. Raises SettingsError."""
        if self.train.after is not None:
            return self.train.after.steps(self.interval, "train.after")
        rules, day = self.window.rules, 0 if self.interval is None else DAY // self.interval
        usual = min(day, MOST_READINGS) if rules.consecutive else 0
        return max(usual, FEWEST_READINGS, rules.fewest_readings(self.shape.length, FEWEST_WINDOWS))

    @property
    def unscored_after(self) -> int:
        """Readings, or slots of the grid, after which a stream that is not scored is an alert; 0 = never."""
        given, shape = self.health.unscored_after, self.shape
        if given is not None:
            return given.steps(self.interval, "health.unscored_after")
        if self.window.rules.found:
            return round(UNSCORED_BEATS * self.rate)
        return UNSCORED_WINDOWS * max(shape.length if self.window.rules.consecutive else 1, shape.hop)

    @property
    def silent_soonest(self) -> int:
        """The shortest time without a reading, ns, after which some stream may be silent; 0 = none ever is."""
        times = (self.health.silence(self.interval), *(override.silent_after or 0 for override in self.overrides))
        return min(filter(None, times), default=NEVER_SILENT)

    def noted(self) -> str:
        """Its settings as JSON text, as the store keeps them: with the default of `train.after` worked out."""
        train = self.train.model_copy(update={"after": self.train.after or Span(count=self.train_after)})
        return self.model_copy(update={"train": train}).model_dump_json()

    @property
    def rate(self) -> float:
        """Readings per second; the family has a grid, or its windows are beats."""
        return self.window.rate or 1e9 / (self.interval or math.nan)


def family_problems(family: Family) -> Iterator[str]:
    """What cannot be, in sentences that begin with the key."""
    yield from _span_problems(family)
    yield from family.window.rules.problems(family.window, family.interval, len(family.channels))
    yield from health_problems(family.health, family.valid_range, family.channels, may_freeze=family.may_freeze)
    yield from override_problems(family.overrides)
    if len(set(family.channels)) < len(family.channels):
        yield "channels: each name may stand there once"
    if family.format.channel and family.interval is None:
        yield 'format.channel: channels are joined on a grid; set interval = "10s", or what suits them'
    yield from format_problems(family.format, family.channels, vector=family.window.rules.whole)


def _span_problems(family: Family) -> Iterator[str]:
    """Spans that are no whole number of intervals, too short or too long; after these, `grid` and `shape` are sound."""
    window, align, wrong = family.window, family.align, False
    spans = {"window.length": window.length, "window.hop": window.hop, "train.after": family.train.after}
    spans |= {"align.lateness": align.lateness, "align.max_gap": align.max_gap, "align.max_age": align.max_age}
    spans |= {"health.unscored_after": family.health.unscored_after}
    for where, span in spans.items():
        try:
            if span is not None and span.steps(family.interval, where) < (where.startswith("window")):
                wrong = True
                yield f"{where}: must be at least 1"
        except SettingsError as error:
            wrong = True
            yield str(error)
    if not wrong:
        yield from _size_problems(family.shape, family.grid)
        after, fewest = family.train_after, window.rules.fewest_readings(family.shape.length, FEWEST_WINDOWS)
        if after < fewest:
            yield f"train.after: {after} readings are too few to train on; with this window it takes {fewest} at least"


def _size_problems(shape: Shape, grid: Grid) -> Iterator[str]:
    """What a stream would keep in memory and in the database is bounded."""
    if shape.numbers > MOST_NUMBERS:
        yield f"window.length: a window of {shape.numbers:,} numbers is too large; {MOST_NUMBERS:,} at most"
    elif (grid.lateness + 1) * shape.width > MOST_NUMBERS:
        yield f"align.lateness: {grid.lateness:,} readings that wait are too many; {MOST_NUMBERS:,} numbers at most"
    elif (shape.length + grid.lateness) * (grid.interval or 0) > LONGEST:
        yield f"window.length: a window is too long; {format_duration(LONGEST)} at most, with align.lateness"
