"""Saved state: what an older version wrote is read, rebuilt part by part, or refused; never misread.

The files in `golden/` were written by the version in their name, with the parts that a family had then; a file that
was released must never change. `python -m tests.unit.pipeline.state.test_codec` writes those of `WRITTEN`: raise its
second number where parts or their fields change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.errors import StoreError
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.recipes.plain import plain
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.codec import MAGIC, READABLE, VERSION, Section, StateCodec, signature
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.thresholds.base import Threshold
from monitor.pipeline.thresholds.rolling import RollingThreshold
from monitor.pipeline.thresholds.static import StaticThreshold
from monitor.records.batches import Readings, Scores, State
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer

GOLDEN = Path(__file__).with_name("golden")
FAMILIES: dict[str, dict[str, object]] = {
    "sliding": {"interval": "1s", "recipe": "plain", "window": {"length": 8}},
    "two-channels": {
        "interval": "10s",
        "channels": ["a", "b"],
        "recipe": "plain",
        "window": {"length": 6, "hop": 3},
        "align": {"lateness": 2},
    },
    "by-count": {"interval": "none", "recipe": "plain", "window": {"length": 5}, "threshold": {"history": 100}},
    "messages": {"interval": "none", "window": {"kind": "message", "length": 4}, "threshold": {"kind": "static"}},
}
REBUILT = {1: {"windower"}}  # parts of older versions that are not read: they begin anew
WRITTEN = f"{VERSION}.4"  # alerts of those before do not say how they began
ONE = np.array([0], np.int32)
MANY = np.arange(3, dtype=np.int32)


def pipeline(name: str, **changes: object) -> Pipeline:
    wanted: dict[str, Any] = {"topic": "t", **FAMILIES[name], **changes}
    wanted["threshold"] = {"n_std": 3.0, **wanted.get("threshold", {})}  # as when the golden files were written
    family = Family.model_validate(wanted)
    index = StreamIndex()
    index.intern(["m-0"])
    threshold: Threshold = RollingThreshold(3.0, 600 * 10**9)
    if family.threshold.kind == "static":
        threshold = StaticThreshold(3.0)
    elif family.threshold.history.count is not None:
        threshold = RollingThreshold(3.0, family.threshold.history.count, by_time=False)
    made = Pipeline("f", family, index, plain(family, threshold), "live")
    one = np.ones(len(family.channels), np.float32)
    made.adopt("0123456789abcdef", DistanceScorer(), {"m-0": Profile(one * 0, one, 1.0, 0.2, 50)})
    return made


def feed(made: Pipeline, first: int, count: int) -> bytes:
    """The scores of `scored` as bytes."""
    scores = scored(made, first, count)
    return b"".join(column.tobytes() for column in (scores.end, scores.score, scores.limit, scores.ratio))


def scored(made: Pipeline, first: int, count: int) -> Scores:
    """Readings with a gap, a late one, a NaN and a fault."""
    width, interval = made.family.shape.width, made.family.interval or 10**9
    at = np.arange(first, first + count)
    time = 1_700_000_000 * 10**9 + at * interval
    time[count // 2] -= 5 * interval
    values = np.sin(np.arange(count * width, dtype=np.float32) + first).reshape(count, width)
    values[count // 3, 0] = np.nan
    values[-5:] *= 30
    none = np.zeros(count, np.int32)
    return made.process(Readings(none, time, values, none, at)).scores


def written(name: str) -> bytes:
    made = pipeline(name)
    feed(made, 0, 60)
    return made.dump(ONE)[0]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bin")), ids=lambda path: path.stem)
def test_an_old_state_is_read_or_refused(path: Path) -> None:
    name, _, written_by = path.stem.rpartition("-v")
    version = written_by.partition(".")[0]
    made = pipeline(name)
    if int(version) not in READABLE:
        with pytest.raises(StoreError, match=f"is of version {version}, this Watchkeeper reads up to"):
            made.load(ONE, [path.read_bytes()])
        return
    lost = made.load(ONE, [path.read_bytes()])
    assert lost <= REBUILT.get(int(version), set()), "the layout has changed: raise VERSION and add golden files"
    if lost:
        return
    undisturbed = pipeline(name)
    feed(undisturbed, 0, 60)
    if written_by == WRITTEN:
        assert made.dump(ONE) == [path.read_bytes()]
        assert feed(made, 60, 30) == feed(undisturbed, 60, 30)
        return
    here, there = scored(made, 60, 30), scored(undisturbed, 60, 30)
    assert (here.end.tolist(), here.score.tobytes()) == (there.end.tolist(), there.score.tobytes())
    assert np.isfinite(here.limit[here.state != State.INSUFFICIENT]).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_this_version_has_its_golden_file(name: str) -> None:
    assert (GOLDEN / f"{name}-v{WRITTEN}.bin").read_bytes() == written(name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda state: b"XX" + state[2:], "damaged"),
        (lambda state: state[:-1], "cut short"),
        (lambda state: state[:3], "damaged"),
        (lambda state: state + b"\0", "cut short"),
        (lambda state: MAGIC + (99).to_bytes(2, "little") + state[4:], "version 99"),
    ],
)
def test_what_is_no_state_is_refused(damage: object, message: str) -> None:
    assert callable(damage)
    with pytest.raises(StoreError, match=message):
        pipeline("sliding").load(ONE, [damage(written("sliding"))])


def test_a_state_of_other_settings_is_rebuilt_and_goes_on() -> None:
    made = pipeline("sliding", threshold={"n_std": 4, "history": "10m"})
    assert made.load(ONE, [written("sliding")]) == {"threshold"}
    feed(made, 60, 30)
    assert not np.isnan(np.frombuffer(feed(made, 90, 30), np.uint8)).any()
    limits = made.recipe._threshold.limits(ONE, np.array([2**40]))
    assert limits[0] > 1.0  # begun again from the profile, not from nothing


def test_a_layout_of_the_same_size_is_another_one() -> None:
    """Two fields that change places would be read as each other."""

    one, other = counting("a", "b"), counting("b", "a")
    state = StateCodec({"p": Section(one, b"")}).dump(ONE)
    assert list(StateCodec({"p": Section(other, b"")}).load(ONE, state)) == ["p"]
    assert StateCodec({"p": Section(one, b"")}).load(ONE, state) == {}
    assert (one["a"][0], one["b"][0]) == (7, 7)
    assert (other["a"][0], other["b"][0]) == (7, 7)  # as it was


def counting(*names: str, value: int = 7) -> Columns:
    """A part with a row whose fields all hold `value`; new rows hold 0."""
    columns = Columns(dict.fromkeys(names, (np.int64, (), 0)))
    columns.grow(len(MANY))
    for name in names:
        columns[name][:] = value
    return columns


def sections(**parts: Columns) -> dict[str, Section]:
    return {name: Section(part, signature(name)) for name, part in parts.items()}


def test_a_part_put_between_two_others_costs_nobody_its_state() -> None:
    states = StateCodec(sections(first=counting("a"), last=counting("b", value=8))).dump(ONE)
    first, new, last = counting("a", value=0), counting("c", value=0), counting("b", value=0)

    assert StateCodec(sections(first=first, new=new, last=last)).load(ONE, states) == {}
    assert (first["a"][0], new["c"][0], last["b"][0]) == (7, 0, 8)


def test_a_part_that_was_taken_out_is_passed_over() -> None:
    states = StateCodec(sections(first=counting("a"), middle=counting("c", "d"), last=counting("b", value=8))).dump(ONE)
    last = counting("b", value=0)

    assert StateCodec(sections(last=last)).load(ONE, states) == {}
    assert last["b"][0] == 8


def test_an_earlier_layout_is_read_by_field() -> None:
    """A part may gain and lose fields without losing what it knows."""
    before = counting("kept", "dropped")
    states = StateCodec(sections(alerts=before)).dump(ONE)
    after = counting("added", "kept", value=3)
    codec = StateCodec({"alerts": Section(after, signature("alerts"), earlier=(before.dtype,))})

    assert codec.load(ONE, states) == {}
    assert (after["added"][0], after["kept"][0]) == (0, 7)
    assert codec.load(ONE, codec.dump(ONE)) == {}


def test_states_of_several_layouts_are_told_apart() -> None:
    """Streams of one family come from databases that several versions have written."""
    short = StateCodec(sections(first=counting("a", value=1))).dump(MANY)
    swapped = StateCodec(sections(last=counting("b", value=2), first=counting("a", value=3))).dump(MANY)
    first, last = counting("a", value=0), counting("b", value=0)
    codec = StateCodec(sections(first=first, last=last))
    present = StateCodec(sections(first=counting("a", value=4), last=counting("b", value=5))).dump(MANY)

    assert codec.load(MANY, [short[0], swapped[1], present[2]]) == {}
    assert first["a"][MANY].tolist() == [1, 3, 4]
    assert last["b"][MANY].tolist() == [0, 2, 5]


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in FAMILIES:
        file = GOLDEN / f"{each}-v{WRITTEN}.bin"
        if not file.exists():
            file.write_bytes(written(each))
