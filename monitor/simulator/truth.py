"""What really went wrong, and when: the list that alerts are compared with."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from monitor.errors import SettingsError
from monitor.outputs.replacing import replacing


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of one stream; `start` and `end` are the times of its first and last reading, ns."""

    start: int
    end: int
    stream: str
    kind: str


_FIELDS = tuple(field.name for field in fields(Fault))


def write_truth(path: Path, truth: Iterable[Fault]) -> None:
    """Write a `.csv` or `.json` file; times as ISO 8601 text in UTC. Raises what `replacing` raises."""
    rows = [(_iso(fault.start), _iso(fault.end), fault.stream, fault.kind) for fault in truth]
    as_json = _is_json(path)
    with replacing(path) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
        if as_json:
            json.dump([dict(zip(_FIELDS, row, strict=True)) for row in rows], file, indent=1)
        else:
            csv.writer(file).writerows([_FIELDS, *rows])


def read_truth(path: Path) -> list[Fault]:
    """Read what `write_truth` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = json.load(file) if _is_json(path) else list(csv.DictReader(file))
    return [Fault(_ns(row["start"]), _ns(row["end"]), row["stream"], row["kind"]) for row in rows]


def _is_json(path: Path) -> bool:
    if path.suffix not in {".csv", ".json"}:
        raise SettingsError(f"{path}: truth files end in .csv or .json")
    return path.suffix == ".json"


def _iso(time: int) -> str:
    return f"{np.datetime64(time, 'ns')}Z"


def _ns(text: str) -> int:
    return int(np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64))
