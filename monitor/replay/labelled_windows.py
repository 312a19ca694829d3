"""Files of labelled windows, for measuring a detector."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordError
from monitor.records.batches import Float32, Int64

ARRAYS = ("windows", "beats")
LABEL = "label"


@dataclass(frozen=True)
class LabelledWindows:
    """`windows` is (n, length, channels), `label` (n,)."""

    windows: Float32
    label: Int64


def read_labelled(path: Path) -> LabelledWindows:
    """Read a .npz (array `windows` or `beats`, array `label`) or a table (one window a row, a column `label`).

    Raises RecordError for a file that is missing, of another kind, or does not hold windows with whole-number labels.
    """
    readers = {".npz": _arrays, ".csv": _table, ".parquet": _table}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RecordError(f"{path}: labelled windows come as {', '.join(readers)}")
    try:
        windows, label = reader(path)
        return _check(path, windows, label)
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file") from None
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path} cannot be read as labelled windows: {error}") from error


def _arrays(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    with np.load(path, allow_pickle=False) as file:
        names = [name for name in ARRAYS if name in file]
        if not names or LABEL not in file:
            raise RecordError(f"{path} holds {', '.join(file)}; expected an array {' or '.join(ARRAYS)}, and {LABEL}")
        return file[names[0]], file[LABEL]


def _table(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    import pandas as pd

    table = pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    if LABEL not in table:
        raise RecordError(f"{path} has no column {LABEL}; the other columns are the window, one row each")
    return table.drop(columns=LABEL).to_numpy(), table[LABEL].to_numpy()


def _check(path: Path, windows: NDArray[np.generic], label: NDArray[np.generic]) -> LabelledWindows:
    values = windows.astype(np.float32)
    if values.ndim == 2:
        values = values[:, :, np.newaxis]  # one channel
    codes = label.astype(np.int64)
    if values.ndim != 3 or codes.shape != values.shape[:1] or 0 in values.shape:
        raise RecordError(f"{path}: windows {windows.shape} and labels {label.shape} do not belong together")
    if (codes != label).any():
        raise RecordError(f"{path}: labels must be whole numbers")
    return LabelledWindows(values, codes)
