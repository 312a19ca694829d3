"""From the columns of a file to numbers: times, values and names, and which rows cannot be read.

A column is either text as it stood in a CSV file (a Series of `str` objects) or typed (a Series backed by Arrow, from
Parquet). A function returns its result and a mask of the rows that have none; a time that there is not is NEVER.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa

from monitor.errors import SettingsError
from monitor.records.batches import NEVER, Bool, Float64, Int64
from monitor.sources.notation import MISSING, STANDARD, Notation
from monitor.sources.timestamps import LAST, TimeReader, Times

Column = pd.Series  # of str, or backed by Arrow

_OPEN_EXPONENT = re.compile(r"[eE][+-]?\s")  # 1E 5
_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def times(column: Column, reader: TimeReader) -> Times:
    """Times as `reader` reads them: text, numbers, and what Parquet itself calls a time. NEVER where there is none."""
    if _is_text(column):
        return reader.read([cell.strip() for cell in column.to_numpy(dtype=object)])
    data = pa.array(column)
    if pa.types.is_date(data.type):
        data = data.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(data.type):
        empty = np.asarray(data.is_null())
        when = _scaled(np.asarray(data.cast(pa.int64()).fill_null(0)), _NS[data.type.unit], empty)
        return reader.localise(when, np.full(len(column), data.type.tz is None))
    return reader.read(list(_text(column)))  # as text, numbers keep every digit


def numbers(column: Column, notation: Notation = STANDARD) -> tuple[Float64, Bool]:
    """Values that fit float32; an empty one is NaN. Anything else, infinity included, cannot be read.

    An infinite value is one of the words of `notation` for what is above or below what can be measured.
    """
    text = _text(column)
    if not _is_text(column):
        try:
            found = np.array(pa.array(column).cast(pa.float64(), safe=False), dtype=np.float64)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            found = np.full(len(column), np.nan)
    elif notation.decimal == ".":
        found = np.array(pd.to_numeric(text, errors="coerce"), dtype=np.float64)
        if _OPEN_EXPONENT.search("".join(text)):  # which pandas reads over
            found[[_OPEN_EXPONENT.search(cell) is not None for cell in text]] = np.nan
    else:
        found = np.full(len(text), np.nan)
    bad = np.abs(found) > np.finfo(np.float32).max
    rows = np.flatnonzero(np.isnan(found))
    if notation.standard:
        for row in rows:
            bad[row] = text[row].strip().casefold() not in MISSING
    elif len(rows):
        found[rows], bad[rows] = notation.values(text[rows].tolist())
    found[bad] = np.nan
    return found, bad


def names(column: Column) -> tuple[list[str], Bool]:
    """Stream names; an empty one cannot be read."""
    text = _text(column)
    return text.tolist(), text == ""


def as_text(column: Column) -> list[str]:
    """Every cell as it goes into a CSV file: text unchanged, times as ISO 8601, nothing for null."""
    return list(_text(column).tolist())


def row_times(first: int, count: int, rate: tuple[int, int]) -> Int64:
    """Times in ns of `count` rows from row `first` on, at `rate` = (numerator, denominator) Hz: exact, rounded down."""
    over, under = rate
    whole, part = np.divmod(np.arange(first, first + count, dtype=np.int64), over)
    return np.asarray(whole * under * 10**9 + part * (under * 10**9) // over)


def iso(when: Int64) -> list[str]:
    """Times in ns as ISO 8601 text in UTC."""
    return [f"{text}Z" for text in np.datetime_as_string(when.view("datetime64[ns]")).tolist()]


def _is_text(column: Column) -> bool:
    if column.dtype == object:
        return True
    kind = pa.array(column).type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _text(column: Column) -> np.typing.NDArray[np.object_]:
    if column.dtype == object:
        return column.to_numpy(dtype=object)
    data = pa.array(column)
    try:
        return np.array(data.cast(pa.string()).fill_null("").to_pylist(), dtype=object)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise SettingsError(
            f"column {column.name} is of type {data.type}; a cell must be one number, time or text"
        ) from None


def _scaled(count: Int64, unit: int, empty: Bool) -> Int64:
    """`count` units of `unit` ns each; NEVER where that is no time."""
    bad = empty | (count >= LAST // unit) | (count <= -(LAST // unit))
    return np.where(bad, NEVER, np.where(bad, 0, count) * unit)
