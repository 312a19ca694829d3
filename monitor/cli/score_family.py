"""The family of a file that is scored: made of the options of the command, or taken from a settings file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cli.parameters.detectors import detector_kind
from monitor.cli.score_files import EARLY, MOST
from monitor.config.families import Family
from monitor.config.formats import Format
from monitor.config.settings import load, parse
from monitor.errors import SettingsError

if TYPE_CHECKING:
    from monitor.records.batches import Int64
    from monitor.sources.files.source import FileColumns

WINDOW = 12  # of `plain`, which has no usual length
BEAT = 128  # points of a heartbeat
HISTORY = 5000
BEAT_THRESHOLD = {"kind": "static", "n_std": 7.0}  # docs/configuration.md, Heartbeats; decision 18 says why
OPTIONS = {  # the option behind a key of the family
    "channels": "--values",
    "detector": "--detector",
    "interval": "--interval",
    "recipe": "--recipe",
    "threshold": "--n-std",
    "window": "--window",
    "window.rate": "--rate",
}


def family_for(columns: FileColumns, time: Int64, tuned: dict[str, Any]) -> Family:
    """The settings that the options ask for; `time` (ns) has the training rows'.

    Raises SettingsError where an option makes no sense.
    """
    from monitor.config.durations import format_duration, parse_duration
    from monitor.replay.score_rows import common_interval

    classic = tuned["recipe"] == "plain" or (tuned["recipe"] is None and tuned["n-std"] is not None)
    interval, window = tuned["interval"], tuned["window"] or (str(WINDOW) if classic else "")
    if interval is None:
        step = common_interval(time) if columns.rate is None else None  # at a rate, rows follow one another
        interval = "none" if step is None else format_duration(step)
    length: str | int = int(window) if window.removeprefix("-").isdecimal() else window
    if columns.rate is not None and interval == "none" and isinstance(length, str) and window not in {"", "beat"}:
        try:
            length = round(parse_duration(length) * columns.rate / 10**9)
        except ValueError as error:
            raise SettingsError(f"--window: {error}") from None
    cut: dict[str, Any] = {"length": length} if window else {}
    raw: dict[str, Any] = {
        "topic": "rows",
        "recipe": tuned["recipe"] or "auto",
        "channels": list(columns.values),
        "interval": interval,
        "window": {"kind": "beat", "length": BEAT, "rate": columns.rate} if window == "beat" else cut,
        "align": {"lateness": 0},
        "train": {"after": sys.maxsize},  # --train-rows says it here
        "detector": {"kind": detector_kind(tuned["detector"]), "seed": tuned["seed"] or 0},
    }
    if classic:
        raw["threshold"] = {"history": HISTORY} | (BEAT_THRESHOLD if window == "beat" else {})
    if tuned["n-std"] is not None:
        raw["threshold"] = raw.get("threshold", {}) | {"n_std": tuned["n-std"]}
    try:
        return parse({"families": {"file": raw}}).families["file"]
    except SettingsError as error:
        problems = [_of_option(problem) for problem in error.problems]
        raise SettingsError("\n".join(problems), problems) from None


def most_rows(taken: Family | None, columns: FileColumns, tuned: dict[str, Any]) -> int:
    """How many rows to learn from at most, where nothing says how many."""
    if taken is not None:
        early = taken.judged_by == "default"
    else:
        by_shape = len(columns.values) == 1 and tuned["window"] != "beat" and tuned["n-std"] is None
        early = tuned["recipe"] == "default" or (tuned["recipe"] in {None, "auto"} and by_shape)
    return EARLY if early else MOST


def rows_given(taken: Family | None) -> int | None:
    """How many rows to learn from by the settings, if they say that; of heartbeats they count beats."""
    if taken is None or taken.train.after is None or taken.window.rules.found:
        return None
    return taken.train_after


def _of_option(problem: str) -> str:
    """A problem of the family as one of the option that it came from."""
    key, _, reason = problem.removeprefix("families.file.").partition(": ")
    option = OPTIONS.get(key) or OPTIONS.get(key.split(".")[0], key)
    return f"{option}: {reason}"


def family_of_file(config: Path | None, name: str | None, tuned: dict[str, Any]) -> Family | None:
    """The family of a settings file, if one is given. Rows cannot wait for earlier ones: its lateness becomes 0."""
    from monitor.config.durations import Span

    if config is None:
        if name is not None:
            raise SettingsError("--family names a family of --config, which is missing")
        return None
    both = [f"--{option}" for option, value in tuned.items() if value is not None]
    if both:
        raise SettingsError(f"{', '.join(both)}: {config} says that; leave it out, or leave out --config")
    families = load(config).families
    if name is None and len(families) == 1:
        (name,) = families
    if name not in families:
        raise SettingsError(f"--family: choose one of {', '.join(families)}")
    found = families[name]
    align = found.align.model_copy(update={"lateness": Span(count=0)})
    whole = found.format.model_copy(update={"channel": ""})  # a row has all channels, however messages bring them
    return found.model_copy(update={"align": align, "format": whole})


def value_names(taken: Family | None) -> tuple[str, ...]:
    """The value columns where the options name none."""
    if taken is None:
        return ("value",)
    return taken.format.values or taken.channels


def family_layout(taken: Family | None, counters: str) -> Format:
    """How values are written and what they count, before the options of the file are laid over it."""
    given = Format() if taken is None else taken.format
    names = tuple(name.strip() for name in counters.split(",") if name.strip())
    return given.model_copy(update={"counters": names}) if names else given


def with_layout(family: Family, layout: Format) -> Family:
    """The family, which knows what its values mean."""
    noted = layout.model_dump(include={"high", "low", "counters"})
    return family.model_copy(update={"format": family.format.model_copy(update=noted)})


def check_width(family: Family, columns: FileColumns, *, beats: bool) -> None:
    """Raise SettingsError where the columns are no reading of the family, or its windows are beats without `beats`."""
    if family.shape.width != len(columns.values):
        raise SettingsError(f"--values: {len(columns.values)} columns, but a reading has {family.shape.width} numbers")
    if family.window.rules.found and not beats:
        raise SettingsError("--train-file: heartbeats are learned from the first rows of the file; use --train-rows")
