"""The windows that detectors are measured on: heartbeats, a pump's eight sensors, and a machine's temperature.

All are below the folder that WATCHKEEPER_DATA names. Nothing here knows labels but the test part.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

LENGTH: Final = 24  # readings in a window of a series
NORMAL_BEAT: Final = 1  # its label
TRAIN_SHARE: Final = 0.8  # of the normal beats
SKAB_LEARNED: Final = 400  # rows, as the benchmark has it
NAB_LEARNED: Final = 0.15  # share of the rows, as the benchmark has it
MACHINE: Final = "realKnownCause/machine_temperature_system_failure.csv"


class Part(NamedTuple):
    """Windows to train on and to test on, (n, length, channels), and whether each test window is anomalous, (n,).

    Those of a `series` are in time order, one for each row, and the label is that of their newest reading.
    """

    train: Float32
    test: Float32
    anomalous: Bool
    series: bool


def ecg5000(folder: Path, seed: int) -> list[Part]:
    """The beats, one by one: a seeded shuffle of the normal ones is cut into train and test, as `evaluate` does."""
    with np.load(folder / "ecg5000" / "beats.npz", allow_pickle=False) as file:
        beats, normal = file["beats"].astype(np.float32)[:, :, np.newaxis], file["label"] == NORMAL_BEAT
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(normal))
    cut = round(TRAIN_SHARE * len(shuffled))
    test = np.concatenate([shuffled[cut:], np.flatnonzero(~normal)])
    return [Part(beats[shuffled[:cut]], beats[test], ~normal[test], series=False)]


def skab(folder: Path, seed: int) -> list[Part]:
    """The experiments with valve 1, each with a detector that learned its first rows; the seed changes nothing."""
    files = sorted((folder / "skab" / "valve1").glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"{folder / 'skab' / 'valve1'} holds no experiments")
    parts = []
    for path in files:
        table = pd.read_csv(path, sep=";")
        values = table.drop(columns=["datetime", "anomaly", "changepoint"]).to_numpy(np.float32)
        parts.append(part(values, table["anomaly"].to_numpy() != 0, SKAB_LEARNED))
    return parts


def machine(folder: Path, seed: int) -> list[Part]:
    """The machine's temperature; the first of its four failures lies in the rows that are learned from."""
    table = pd.read_csv(folder / "nab" / MACHINE, parse_dates=["timestamp"])
    windows = json.loads((folder / "nab" / "windows.json").read_text(encoding="utf-8"))[MACHINE]
    anomalous = np.zeros(len(table), bool)
    for first, last in windows:
        anomalous |= table["timestamp"].between(pd.Timestamp(first), pd.Timestamp(last)).to_numpy()
    values = table[["value"]].to_numpy(np.float32)
    return [part(values, anomalous, int(NAB_LEARNED * len(values)))]


def part(values: Float32, anomalous: Bool, learned: int) -> Part:
    """A series, (rows, channels): windows within the first `learned` rows, then those that end at each later row."""
    windows = np.ascontiguousarray(sliding_window_view(values, LENGTH, axis=0).swapaxes(1, 2))  # (n, length, channels)
    first = learned - LENGTH + 1
    return Part(windows[:first], windows[first:], anomalous[learned:], series=True)


CORPORA: Final[dict[str, Callable[[Path, int], list[Part]]]] = {"ecg5000": ecg5000, "skab": skab, "machine": machine}
