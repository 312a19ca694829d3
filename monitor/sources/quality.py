"""What the quality beside a value says: good, or as bad as no value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.config.formats import Format
from monitor.records.batches import Bool, Float32, Float64

Code = str | int | float | bool | None  # as a message gives it


class Quality:
    """The fields with the quality of a family's values, and which texts or codes mean a good value.

    Case and outer spaces do not count, and 192, 192.0 and "192" are one.
    """

    def __init__(self, layout: Format, channels: Sequence[str]) -> None:
        fields = layout.quality_fields(channels)
        self.names = tuple(dict.fromkeys(name for name in fields if name))
        whole = isinstance(layout.quality, str)  # also of a message that is a window, or has one channel
        self._columns = [
            slice(None) if whole else [i for i, of in enumerate(fields) if of == name] for name in self.names
        ]
        self._good = {_text(code) for code in layout.good}

    def screen(self, values: Float64 | Float32, codes: Sequence[Sequence[Code]]) -> None:
        """Make values (n, width) NaN whose quality is not good; `codes` has the n of each field of `names`."""
        for columns, column in zip(self._columns, codes, strict=True):
            rows = np.flatnonzero(self.bad(column))
            values[rows if isinstance(columns, slice) else (rows[:, None], columns)] = np.nan

    def bad(self, codes: Sequence[Code]) -> Bool:
        """Which of these (n,) are not good. Each code is looked at once."""
        known = {code: _text(code) not in self._good for code in set(codes)}
        return np.fromiter(map(known.__getitem__, codes), np.bool_, len(codes))


def _text(code: Code) -> str:
    text = str(code).strip().casefold()
    try:
        number = float(text)
        return str(int(number)) if number.is_integer() else str(number)
    except (ValueError, OverflowError):
        return text
