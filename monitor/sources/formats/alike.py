"""JSON bodies that differ in their numbers alone, as those of one producer do: read at once, not one by one."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from monitor.records.batches import Float64, Int64, UInt8

TIME = -1  # the column of a number that is the time
FULL = 4_096  # bodies of a batch that tells of a backlog, or of a great many streams
PATIENCE = 16  # such batches before a loop is compiled, which takes as long as some million bodies save
_MISSES = 16  # batches in a row whose bodies are not alike, before no other one is tried
_COMPILER = "numba"  # takes 100 MB: it is used where the recipe has brought it along (decision 61)
_NUMBER = rb"(-?[0-9][0-9.eE+-]*|null)\s*[,}]"
_WHOLE = rb"([0-9]+)\s*[,}]"


class Template(NamedTuple):
    """A body cut at its numbers: `literals` joined, the `edges` of each, and the column of the number behind it."""

    literals: UInt8
    edges: Int64
    columns: Int64


class AlikeBodies:
    """Objects with whole numbers as times in the field `time`, and numbers or null in each of the fields `values`.

    What all bodies of a batch have in common is learned from one that was read before. A batch in which one is not like
    it is left to others, as are numbers that are not plain: here every number is what the JSON parser makes of it.
    """

    def __init__(self, time: str, values: Sequence[str]) -> None:
        self._time, self._values = time, values
        self._template: Template | None = None
        self._learned = False
        self._full = self._missed = 0

    def read(self, bodies: Sequence[bytes | None]) -> tuple[Int64, Float64] | None:
        """Times (n,) as they are written, and values (n, channels) with NaN for null; None where others must read."""
        if self._template is None or not bodies:
            return None
        try:
            ends = np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)))  # type: ignore[arg-type]
        except TypeError:  # one has no body
            return None
        from monitor.sources.formats.alike_scan import scan

        text = np.frombuffer(b"".join([*bodies, b"\0"]), np.uint8)  # type: ignore[list-item]
        times, values = np.empty(len(bodies), np.int64), np.empty((len(bodies), len(self._values)))
        alike = scan(text, ends, self._template, times, values)
        self._missed = 0 if alike else self._missed + 1
        if self._missed == _MISSES:
            self._template = None
        return (times, values) if alike else None

    def learn(self, bodies: Sequence[bytes | None]) -> None:
        """Look at a batch that others have read without a fault."""
        self._full += len(bodies) >= FULL
        if not self._learned and self._full >= PATIENCE and _COMPILER in sys.modules and bodies[0] is not None:
            self._learned = True
            self._template = template(bodies[0], self._time, self._values)


def template(body: bytes, time: str, values: Sequence[str]) -> Template | None:
    """What bodies that are like this one, an object, share; None where it has other objects, lists or escapes."""
    if body.count(b"{") != 1 or b"[" in body or b"\\" in body:
        return None
    slots: list[tuple[int, int, int]] = []  # begin and end of each number, and its column
    for column, name in enumerate([time, *values], TIME):
        quoted = b'"%s"' % name.encode()
        found = re.search(re.escape(quoted) + rb"\s*:\s*" + (_WHOLE if column == TIME else _NUMBER), body)
        if found is None or body.count(quoted) != 1:
            return None
        slots.append((*found.span(1), column))
    slots.sort()
    begins, ends = [0, *(end for _, end, _ in slots)], [*(begin for begin, _, _ in slots), len(body)]
    literals = [body[begin:end] for begin, end in zip(begins, ends, strict=True)]
    return Template(
        np.frombuffer(b"".join(literals), np.uint8), np.cumsum([0, *map(len, literals)]),
        np.array([column for _, _, column in slots]),
    )  # fmt: skip
