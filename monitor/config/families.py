"""The `families` tables: what is watched, how it is cut into windows, scored, judged and alerted on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from monitor.config.budgets import Budgeted
from monitor.config.durations import Duration, DurationLimit, Interval, Span, Spanned, SpannedOrNever
from monitor.config.formats import Format
from monitor.config.health import NEVER_SILENT, UNSCORED_BEATS, UNSCORED_WINDOWS, Health, Range
from monitor.config.names import Topic
from monitor.config.overrides import Override
from monitor.config.recipes import OWN, Companion, Recipe, chosen
from monitor.config.resolved import Grid, Shape
from monitor.config.sections import Section
from monitor.config.windows import DERIVED, Window
from monitor.records.alerts import TimerRules

FEWEST_WINDOWS = 32  # to train a model, or to profile a stream for one
FEWEST_READINGS, MOST_READINGS = 2000, 86_400  # that training waits for by default
DAY = 24 * 3600 * 10**9
WEEK = 7 * DAY
MOST_STREAMS = 200_000  # of a family by default: names come from outside
SOONEST_REPEAT = 60 * 10**9
MOST_FLAPS = 32  # openings of each stream that are remembered: 256 bytes of its state
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
    """Which autoencoder; docs/configuration.md lists the kinds and the `options` of each.

    `device` is where nets are trained: `auto` takes a GPU where there is one and batches are large.
    """

    kind: str = "dense"
    options: dict[str, Any] = Field(default_factory=dict)
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: Literal["auto", "cpu", "cuda"] = "auto"


class Train(Section):
    """When a stream has been seen for `after`, it gets a model of its family; training takes that span.

    By default that is a day, so that the first evening is no anomaly, but `FEWEST_READINGS` at least and
    `MOST_READINGS` at most; without a grid it is `FEWEST_READINGS`. `wait` holds reading back while the first model is
    trained: for catching up with the past at full speed.

    The family is trained again each time its history has doubled, until that takes longer than `every`, and from then
    on that often; None = never. With `drift` it is trained again, too, where a drift of its streams is found.
    """

    after: Spanned | None = None
    wait: bool = False
    every: SpannedOrNever = Span(time=WEEK)
    drift: bool = False


THRESHOLD_KEYS: dict[str, tuple[str, ...]] = {  # what a kind reads beside n_std and history
    "quantile": ("quantile", "margin"),
    "pot": ("rate",),
    "conformal": ("rate",),
}


class Threshold(Section):
    """The limit; docs/configuration.md says how each kind computes it, and which of the numbers it reads.

    `rate` is the share of normal windows that may lie above it.
    """

    kind: Literal["rolling", "static", "quantile", "mad", "pot", "conformal"] = "rolling"
    n_std: float = Field(default=6.0, gt=0)
    history: Spanned = Span(time=DAY)
    quantile: float = Field(default=0.95, ge=0.6, le=0.999)
    margin: float = Field(default=4.0, gt=1, le=1000)
    rate: float = Field(default=0.001, ge=1e-6, le=0.005)

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Those of its kind: what a saved limit means. Those of `rolling` and `static` have been the same for long."""
        for name in ("kind", "n_std", "history", *THRESHOLD_KEYS.get(self.kind, ())):
            yield name, getattr(self, name)


class Alerts(Section):
    """Open when `open_count` of the last `open_of` windows reach the limit; resolve after `resolve_after` calm ones.

    `quiet_after`, `rise`, `memory` and `budget` say when the next one may open: see `pipeline/alerting/policy.py`;
    `min_duration` how long anomalies must last before it, `flapping` more of them than which is too much to announce.
    `escalate_after` and `repeat` are timers of open alerts that no person acknowledges: see `alerts/timers.py`.
    Spans are windows or event time; `budget` takes the place of `rise` and `memory`.
    """

    open_count: int = Field(default=2, ge=1, le=32)
    open_of: int = Field(default=3, ge=1, le=32)
    resolve_after: int = Field(default=3, ge=1, le=10_000)
    resolve_below: float = Field(default=0.85, gt=0, le=1)
    critical: float = Field(default=2.0, ge=1)
    quiet_after: Spanned = Span(count=0)
    rise: float = Field(default=0.0, ge=0, le=10)
    memory: Spanned = Span(count=5000)
    budget: Budgeted = None
    min_duration: DurationLimit = None
    flapping: Budgeted = None
    escalate_after: DurationLimit = None
    repeat: DurationLimit = None

    @property
    def timers(self) -> TimerRules:
        """Those that its alerts get when they open."""
        return TimerRules(self.escalate_after or 0, self.repeat or 0)

    @model_validator(mode="after")
    def _fits(self) -> Alerts:
        if self.open_count > self.open_of:
            given = f"open_count = {self.open_count} of open_of = {self.open_of}"
            raise ValueError(f"{given} can never happen; make open_of at least as large")
        if self.budget is not None and {"rise", "memory"} & self.model_fields_set:
            raise ValueError("budget takes the place of rise and memory; give one or the others")
        if not (self.memory.time or self.memory.count):
            raise ValueError("memory: must be longer than nothing; rise = 0 switches it off")
        if self.repeat is not None and self.repeat < SOONEST_REPEAT:
            raise ValueError("repeat: once a minute at most; a person has to read it")
        if self.flapping is not None and self.flapping.count > MOST_FLAPS:
            raise ValueError(f"flapping: {MOST_FLAPS} alerts in a period at most")
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
    window: Window = Window()
    detector: Detector = Detector()
    train: Train = Train()
    threshold: Threshold = Threshold()
    recipe: Recipe = "auto"
    companions: tuple[Companion, ...] = ()
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
        given = window.length or Span(count=OWN[self.judged_by].length or 1)
        length = given.steps(self.interval, "window.length")
        hop = length if window.rules.tumbles else 1
        if window.hop is not None:
            hop = window.hop.steps(self.interval, "window.hop")
        return Shape(length, hop, channels, channels * length if window.rules.whole else channels)

    @property
    def may_freeze(self) -> bool:
        """Whether its sensors can be seen to have stopped: readings of all channels, evenly spaced."""
        return self.interval is not None and self.window.rules.consecutive and not self.format.channel

    @property
    def judged_by(self) -> str:
        """The name of its recipe."""
        if self.recipe != "auto":
            return self.recipe
        hop, rules = self.window.hop, self.window.rules
        one = hop is None or hop.count == 1 or (hop.time is not None and hop.time == self.interval)
        follows = rules.consecutive and not rules.tumbles and one
        given = "threshold" in self.model_fields_set
        return chosen(threshold=given, alone=not rules.consecutive, follows=follows, channels=len(self.channels))

    @property
    def judges_parts(self) -> bool:
        """Whether it judges readings before which there is no whole window: companions need none."""
        return self.judged_by != "plain" and self.window.rules.consecutive

    @property
    def alert_rule(self) -> Alerts:
        """Its alert settings; what is not given there is what suits the recipe, or the `open_count` given."""
        given = {name: getattr(self.alerts, name) for name in self.alerts.model_fields_set}
        usual = dict(OWN[self.judged_by].alerts)
        if "open_count" in given:
            usual.pop("open_of", None)
        if given.get("budget") is not None:
            usual = {name: value for name, value in usual.items() if name not in {"rise", "memory"}}
        return Alerts(**(usual | given))

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the channels that are derived for its detector."""
        return tuple(channel for name in self.window.derived for channel in DERIVED[name])

    @property
    def detector_channels(self) -> tuple[str, ...]:
        """What its detector sees: its channels, and conditions behind them."""
        return self.channels + self.conditions

    @property
    def detector_shape(self) -> tuple[int, int]:
        """(length, channels) of windows as its detector sees them. Raises SettingsError as `shape` does."""
        return self.shape.length, len(self.detector_channels)

    @property
    def detector_options(self) -> dict[str, Any]:
        """Those of its detector: as given, else what suits the recipe. Conditions are `given` beside those named."""
        options = {**OWN[self.judged_by].options.get(self.detector.kind, {}), **self.detector.options}
        if self.conditions and isinstance(given := options.get("given", 0), int):
            options["given"] = given + len(self.conditions)
        return options

    @property
    def train_after(self) -> int:
        """Readings a stream is seen for before it gets a model, which is trained on as many. Raises SettingsError."""
        if self.train.after is not None:
            return self.train.after.steps(self.interval, "train.after")
        rules, day = self.window.rules, 0 if self.interval is None else DAY // self.interval
        usual = min(day, MOST_READINGS) if rules.consecutive else 0
        return max(usual, FEWEST_READINGS, rules.fewest_readings(self.shape.length, FEWEST_WINDOWS))

    @property
    def train_every(self) -> int:
        """Readings of a stream between two trainings at most, 0 = no second one. Raises SettingsError.

        By default a week, but no less than `train_after`; seven times that without an interval.
        """
        every, week = self.train.every, 0 if self.interval is None else WEEK // self.interval
        if every is None:
            return 0
        if "every" in self.train.model_fields_set:
            return every.steps(self.interval, "train.every")
        return max(week, self.train_after) if week else 7 * self.train_after

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
        """Its settings as JSON text, as the store keeps them: with its recipe and the defaults of `train`."""
        every = Span(count=self.train_every) if self.train_every else None
        given = self.train.every if "every" in self.train.model_fields_set else every
        after = self.train.after or Span(count=self.train_after)
        train = self.train.model_copy(update={"after": after, "every": given})
        return self.model_copy(update={"train": train, "recipe": self.judged_by}).model_dump_json()

    @property
    def rate(self) -> float:
        """Readings per second; the family has a grid, or its windows are beats."""
        return self.window.rate or 1e9 / (self.interval or math.nan)
