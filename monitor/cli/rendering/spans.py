"""Lengths of time in words."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """A length of time in its two largest units: 3 h 18 min."""
    left, parts = round(seconds), list[str]()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append(f"{count} {unit}")
    return " ".join([part for part in parts[:2] if not part.startswith("0 ")] or ["0 s"])
