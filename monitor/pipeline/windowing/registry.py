"""Which windower the readings of a family go through."""

from __future__ import annotations

from monitor.config.families import Family
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.state.segments import Gridded
from monitor.pipeline.windowing.beats.windower import BeatWindower
from monitor.pipeline.windowing.message import MessageWindower
from monitor.pipeline.windowing.sliding import SlidingWindower
from monitor.records.batches import Windows

Windower = SlidingWindower | MessageWindower | BeatWindower


def windower(family: Family) -> Windower:
    """A new one of the family's kind, without streams."""
    length, channels = family.length, len(family.channels)
    if family.window.kind == "message":
        return MessageWindower(length, channels)
    if family.window.kind == "beat":
        return BeatWindower(length, family.rate, family.interval)
    return SlidingWindower(length, channels, family.hop, family.interval)


def cut(windower: Windower, readings: Gridded, aligner: Aligner, *, ended: bool) -> Windows:
    """The windows that these readings complete; where nothing will follow, also those that wait for more."""
    if ended and isinstance(windower, BeatWindower):
        return windower.finish(readings, aligner)
    return windower.add(readings, aligner)
