"""Series of readings with labels: files of public benchmarks, and tables with a column that says what is anomalous."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from monitor.errors import RecordError
from monitor.records.batches import Bool, Int64

if TYPE_CHECKING:
    import pandas as pd

SKAB_LEARNED: Final = 400  # rows, as the benchmark has it
SKAB_LABELS: Final = ("anomaly", "changepoint")
DELIMITERS: Final = (",", ";", "\t")
Windows = tuple[tuple[int, int], ...]  # first and last row of each


@dataclass(frozen=True)
class Series:
    """A file of readings and what is true of its rows.

    `time` and `values` name columns; `learned` are the rows to learn from, None = as `score` does by default. `stamps`
    (rows,) are the times in ns, `windows` the anomalous stretches, `changes` the rows at which something changes.
    """

    name: str
    path: Path
    time: str
    values: tuple[str, ...]
    stamps: Int64
    windows: Windows
    changes: tuple[int, ...] = ()
    learned: int | None = None
    group: str = ""

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.stamps)

    @property
    def anomalous(self) -> Bool:
        """Whether each row lies in a window, (rows,)."""
        found = np.zeros(self.rows, bool)
        for first, last in self.windows:
            found[first : last + 1] = True
        return found


def nab(folder: Path) -> list[Series]:
    """The files of `windows.json` of the Numenta Anomaly Benchmark, one value each. Raises RecordError."""
    path = folder / "windows.json"
    try:
        labels: dict[str, list[list[str]]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{path} cannot be read: {error}; --data names the folder that holds nab/windows.json"
        ) from None
    return [_nab_series(folder, name, windows) for name, windows in labels.items()]


def _nab_series(folder: Path, name: str, windows: list[list[str]]) -> Series:
    import pandas as pd

    stamps = _stamps(_table(folder / name)["timestamp"])
    edges = [_stamps(pd.Series(window)) for window in windows]
    rows = [tuple(int(np.flatnonzero(stamps == edge)[0]) for edge in window if edge in stamps) for window in edges]
    if any(len(window) != 2 for window in rows):
        raise RecordError(
            f"{folder / 'windows.json'}: a window of {name} begins or ends at a time that is no row of it"
        )
    spans = tuple((window[0], window[1]) for window in rows)
    return Series(name, folder / name, "timestamp", ("value",), stamps, spans, group=name.partition("/")[0])


def skab(folder: Path) -> list[Series]:
    """The experiments of the Skoltech Anomaly Benchmark below a folder, those without anomaly left out."""
    found = sorted(path for path in folder.glob("*/*.csv") if path.parent.name != "anomaly-free")
    if not found:
        raise RecordError(f"{folder} holds no folder with experiments; --data names the folder that holds skab/valve1/")
    named = sorted(found, key=lambda path: (path.parent.name, len(path.stem), path.stem))
    return [table_series(path, SKAB_LABELS[0], learned=SKAB_LEARNED) for path in named]


def table_series(path: Path, label: str, *, values: tuple[str, ...] = (), learned: int | None = None) -> Series:
    """A table with times, values and a column `label` that is not 0 on anomalous rows; `changepoint` is one too.

    The times are the first column whose cells are times, the values all numeric ones where none are named.
    """
    import pandas as pd

    table = _table(path)
    if label not in table:
        raise RecordError(f"{path} has no column {label} (--label); it has {', '.join(map(str, table))}")
    reserved = {label, *SKAB_LABELS}
    numeric = [str(name) for name in table.select_dtypes("number") if name not in reserved]
    times = [str(name) for name in table if name not in (*numeric, *reserved) and _is_time(table[name])]
    if not times:
        raise RecordError(f"{path} has no column with times, such as 2026-01-31 12:00:00")
    if not (values or numeric):
        raise RecordError(f"{path} has no column with values beside {times[0]} and {label}")
    change = pd.Series(0, index=table.index) if SKAB_LABELS[1] not in table else table[SKAB_LABELS[1]]
    return Series(
        f"{path.parent.name}/{path.stem}", path, times[0], values or tuple(numeric), _stamps(table[times[0]]),
        stretches(table[label].fillna(0).to_numpy() != 0), tuple(np.flatnonzero(change.to_numpy() == 1).tolist()),
        learned, path.parent.name,
    )  # fmt: skip


def stretches(flags: Bool) -> Windows:
    """First and last row of each stretch of flags.

    >>> stretches(np.array([True, False, True, True]))
    ((0, 0), (2, 3))
    """
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return tuple((first, end - 1) for first, end in edges.tolist())


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        with path.open(encoding="utf-8") as file:
            names = file.readline()
        return pd.read_csv(path, sep=max(DELIMITERS, key=names.count))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read as a table: {error}") from None


def _is_time(column: pd.Series) -> bool:
    import pandas as pd

    found = pd.to_datetime(column.head(10), errors="coerce", format="mixed", utc=True)
    return len(found) > 0 and not bool(found.isna().any())


def _stamps(column: pd.Series) -> Int64:
    import pandas as pd

    times = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
    return times.to_numpy(dtype="datetime64[ns]").astype(np.int64)
