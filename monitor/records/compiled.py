"""Loops over readings that follow one another: compiled to machine code, for what no array operation gives.

A stream's next value depends on its last one, so that numpy would need a Python loop over readings or over streams.
Compiled loops add in the order of the readings: any cut of the input into batches gives the same bits.

The code is made in every process, so what is slow to compile is left out: `math.isnan` and `isfinite` in place of
numpy's, loops in place of slices that are assigned (whose errors bring text formatting along), and arrays that the
caller has made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function as machine code, compiled at its first call (about a second); other threads go on meanwhile."""
    return cast("F", njit(nogil=True, error_model="numpy")(function))


def part(function: F) -> F:
    """The same for a function that only compiled ones call: without the code by which Python calls it."""
    unwrapped = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # options that numba's types do not name
    return cast("F", njit(nogil=True, error_model="numpy", **cast("Any", unwrapped))(function))


def inlined(function: F) -> F:
    """The same for a part of one compiled function or two: written into these, as calls pass every array in pieces."""
    return cast("F", njit(nogil=True, error_model="numpy", inline="always")(function))
