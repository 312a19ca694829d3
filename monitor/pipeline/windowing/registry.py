"""The kinds of windows: how each is cut out of a stream, learned from, scored without a model, and ended.

A new kind is a class with the methods of `Windower`, a line in `WINDOWERS`, and what it means for other settings in
`monitor.config.windows`.
"""

from __future__ import annotations

from typing import Final, cast

from monitor.config.families import Family
from monitor.config.references import resolve
from monitor.pipeline.windowing.base import Windower

WINDOWERS: Final = {
    "sliding": "monitor.pipeline.windowing.sliding:SlidingWindower",
    "tumbling": "monitor.pipeline.windowing.sliding:SlidingWindower",
    "message": "monitor.pipeline.windowing.message:MessageWindower",
    "beat": "monitor.pipeline.windowing.beats.windower:BeatWindower",
}


def windower(family: Family) -> Windower:
    """A new one of the family's kind, without streams."""
    return cast("Windower", resolve(WINDOWERS[family.window.kind]).of(family))
