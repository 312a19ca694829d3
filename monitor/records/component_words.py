"""What it means that a component adds to a score, for people."""

from __future__ import annotations

from typing import Final

_WORDS: Final = {
    "detector": "a shape that the model does not know",
    "time of day": "far from what this hour of the day usually is",
    "record": "beyond all that was seen before",
    "level": "a channel is not where it was learned",
    "shift": "a channel has just moved",
    "spike": "one reading far from those before it",
    "rhythm": "the beat came early",
    "half space trees": "where few of the last readings were",
    "gaussian scorer": "unlikely by the mean and spread of all before",
}


def in_words(component: str) -> str:
    """The component of a recipe by its name, and what it means."""
    meaning = _WORDS.get(component)
    return component if meaning is None else f"{component} ({meaning})"
