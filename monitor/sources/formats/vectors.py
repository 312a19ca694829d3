"""Raw little-endian numbers as messages: a reading of several channels, or a whole window."""

from __future__ import annotations

import numpy as np

from monitor.config.families import Family
from monitor.records.batches import DeadLetter, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.decode import EMPTY, Assembly, Records, stream_codes, time_reader
from monitor.sources.faults import Fault
from monitor.sources.notation import Notation


class VectorDecoder:
    """The time as eight bytes (int64, little-endian), then float32 or float64 numbers and nothing else.

    The unit of the time is `format.time_unit`; "auto" takes it from its size. With `format.time = "$timestamp"`, a
    message holds only the numbers: the channels of one reading; for `message` windows (reading, channel), row by row.
    Reasons of its dead letters: empty, wrong-length, bad-time, bad-value (infinite), missing-key, bad-key, utf8.
    """

    def __init__(self, family: Family, index: StreamIndex) -> None:
        self._index = index
        self._reader, self._encoding = time_reader(family), family.format.key_encoding
        self._notation = Notation(family.format)
        number = "<f4" if family.format.kind == "float32" else "<f8"
        time = [("time", "<i8")] if family.format.time_fields else []
        self._layout = np.dtype([*time, ("values", number, (family.shape.width,))])

    def decode(self, records: Records) -> tuple[Readings, list[DeadLetter]]:
        """See `monitor.sources.decode.Decoder`."""
        assembly = Assembly(records)
        size = self._layout.itemsize
        sizes = np.fromiter((len(body) if body else 0 for body in records.values), np.int64, len(records))
        assembly.blame(np.flatnonzero(sizes == 0), EMPTY)
        assembly.blame(np.flatnonzero(sizes != size), Fault("wrong-length", f"a message must hold {size} bytes"))
        rows = np.flatnonzero(sizes == size)
        block = np.frombuffer(b"".join(records.values[row] or b"" for row in rows.tolist()), self._layout)
        if "time" in (self._layout.names or ()):
            time = assembly.times(block["time"].tolist(), rows, self._reader)
        else:
            time = assembly.stamps(rows)
        values = assembly.values(block["values"], rows, self._notation)
        return assembly.finish(rows, stream_codes(self._index, assembly, None, rows, self._encoding), time, values)
