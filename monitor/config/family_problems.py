"""What cannot be in the settings of a family, in sentences that begin with the key."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.config.durations import LONGEST, format_duration
from monitor.config.families import FEWEST_WINDOWS, MOST_NUMBERS, Family
from monitor.config.formats import format_problems
from monitor.config.health import health_problems
from monitor.config.overrides import override_problems
from monitor.config.recipes import OWN
from monitor.config.resolved import Grid, Shape
from monitor.errors import SettingsError


def family_problems(family: Family) -> Iterator[str]:
    """What cannot be, in sentences that begin with the key."""
    yield from _span_problems(family)
    yield from family.window.rules.problems(family.window, family.interval, len(family.channels))
    yield from health_problems(family.health, family.valid_range, family.channels, may_freeze=family.may_freeze)
    yield from override_problems(family.overrides)
    if family.judged_by in {"default", "multivariate"} and not family.window.rules.consecutive:
        yield (
            f'recipe: "{family.judged_by}" judges readings that follow one another; windows of kind '
            f'"{family.window.kind}" take "vectors" or "plain"'
        )
    if family.judged_by in {"default", "vectors"} and "threshold" in family.model_fields_set:
        yield f'threshold: the recipe "{family.judged_by}" does not read it; leave it out, or set recipe = "plain"'
    if family.judged_by == "vectors" and family.window.rules.consecutive:
        yield 'recipe: "vectors" judges windows that stand for themselves, those of kind "message" or "beat"'
    if family.companions and not family.window.rules.consecutive:
        yield (
            f'companions: they judge readings that follow one another; windows of kind "{family.window.kind}" have none'
        )
    if family.window.derived and (family.interval is None or not family.window.rules.consecutive):
        yield "window.derived: the time of each reading of a window has to be known: sliding windows, and an interval"
    if len(set(family.window.derived)) < len(family.window.derived):
        yield "window.derived: each may stand there once"
    if len(set(family.companions)) < len(family.companions):
        yield "companions: each may stand there once"
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
    if window.length is None and OWN[family.judged_by].length is None:
        wrong = True
        yield "window.length: missing; write a count of readings such as 360, or a time such as 1h"
    if "every" in family.train.model_fields_set:
        spans["train.every"] = family.train.every
    for where, span in spans.items():
        try:
            if span is not None and span.steps(family.interval, where) < where.startswith(("window", "train")):
                wrong = True
                yield f"{where}: must be at least 1"
        except SettingsError as error:
            wrong = True
            yield str(error)
    if not wrong:
        if family.judged_by in {"default", "multivariate"} and family.shape.hop > 1:
            yield f'recipe: "{family.judged_by}" judges each reading: window.hop must be 1; "plain" takes others'
        if family.companions and family.shape.hop > 1:
            yield "companions: they judge each reading: window.hop must be 1"
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
