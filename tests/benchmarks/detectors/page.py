"""The figures of docs/detectors.md: a table for each corpus, and where a detector loses to a simpler one.

They stand between two markers; the text around them is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean, stdev
from typing import Any, Final

from models.registry import DETECTORS

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
TITLES: Final = {
    "ecg5000": "ECG5000: heartbeats one by one, trained on 80 % of the normal ones",
    "skab": "SKAB valve 1: windows of 24 rows of 8 channels, trained on the first 400 rows of each of 16 experiments",
    "machine": "NAB machine temperature: windows of 24 rows, trained on the first 15 % of the rows",
}
SIMPLE: Final = ("median window", "dense", "sub_pca", "knn")  # what a detector has to beat to be worth its cost
LESS: Final = 0.001  # of an AUC: what is closer is no loss

Row = dict[str, Any]
Number = Callable[[float], str]


def key(row: Row) -> tuple[str, str, int]:
    """What a row is about."""
    return row["kind"], row["corpus"], row["seed"]


def _share(value: float) -> str:
    return f"{value:.4f}".replace("0.", ".", 1) if value < 1 else "1.0000"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


WINDOWS: Final[dict[str, tuple[str, Number]]] = {
    "AUC": ("auc", _share), "AUC-PR": ("auc_pr", _share),
    "F1 at own limit": ("f1", _share), "accuracy at own limit": ("accuracy", _share),
    "oracle accuracy": ("oracle_accuracy", _share),
}  # fmt: skip
SERIES: Final[dict[str, tuple[str, Number]]] = {
    "AUC": ("auc", _share), "AUC-PR": ("auc_pr", _share), "VUS-PR": ("vus_pr", _share),
    "F1 at own limit": ("f1", _share), "accuracy at own limit": ("accuracy", _share),
    "ranges found": ("ranges_found", _count), "false alerts": ("false_alerts", _count),
}  # fmt: skip
COSTS: Final[dict[str, tuple[str, Number]]] = {
    "training, s": ("train_s", _count), "windows/s": ("windows_per_s", _count), "numbers kept": ("parameters", _count),
    "memory, MB": ("megabytes", _count),
}  # fmt: skip


def render(page: str, rows: Sequence[Row], kinds: Sequence[str]) -> str:
    """The page with the figures of these rows. Raises ValueError where it has no markers."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"docs/detectors.md needs the lines {BEGIN} and {END} once each")
    before, rest = page.split(BEGIN)
    _, behind = rest.split(END)
    body = "\n\n".join(_corpus(corpus, rows, kinds) for corpus in TITLES)
    return f"{before}{BEGIN}\n\n{_note(rows)}\n\n{body}\n\n{END}{behind}"


def _note(rows: Sequence[Row]) -> str:
    machines = sorted({row["machine"] for row in rows if "machine" in row})
    seeds = sorted({row["seed"] for row in rows})
    return (
        f"Mean ± standard deviation of {len(seeds)} seeds, default options. Measured on: {'; '.join(machines)}. "
        "Costs are those of one process on one thread, beside others."
    )


def _corpus(corpus: str, rows: Sequence[Row], kinds: Sequence[str]) -> str:
    here = [row for row in rows if row["corpus"] == corpus]
    columns = (WINDOWS if corpus == "ecg5000" else SERIES) | COSTS
    named = [kind for kind in ("median window", *kinds) if any(row["kind"] == kind for row in here)]
    whole = {kind: [row for row in here if row["kind"] == kind and "failed" not in row] for kind in named}
    order = sorted(named, key=lambda kind: -mean([row["auc"] for row in whole[kind]] or [0]))
    lines = [f"### {TITLES[corpus]}", "", "| detector | " + " | ".join(columns) + " |"]
    lines.append("|---" + "|---:" * len(columns) + "|")
    for kind in order:
        cells = [
            _cell([row[name] for row in whole[kind] if row.get(name) is not None], shown, failed=not whole[kind])
            for name, shown in columns.values()
        ]
        lines.append(f"| {_name(kind)} | " + " | ".join(cells) + " |")
    failed = [row for row in here if "failed" in row]
    lines += ["", *(f"{_name(row['kind'])}, seed {row['seed']}, failed: {row['failed']}" for row in failed)]
    return "\n".join([*lines, *_losses(whole)]).strip()


def _cell(values: Sequence[float], shown: Number, *, failed: bool) -> str:
    if not values:
        return "failed" if failed else "-"
    spread = f" ± {shown(stdev(values))}" if len(values) > 1 and shown is _share and stdev(values) else ""
    return f"{shown(mean(values))}{spread}"


def _losses(whole: dict[str, list[Row]]) -> list[str]:
    """A sentence for each simple detector: which others rank the windows worse than it does."""
    auc = {kind: mean(row["auc"] for row in rows) for kind, rows in whole.items() if rows}
    sentences = []
    for simple in SIMPLE:
        worse = [kind for kind in auc if kind != simple and auc[kind] < auc.get(simple, 0) - LESS]
        if worse:
            named = ", ".join(f"{_name(kind)} {_share(auc[kind])}" for kind in sorted(worse, key=auc.__getitem__))
            sentences.append(f"Below {_name(simple)} ({_share(auc[simple])} AUC): {named}.\n")
    return sentences


def _name(kind: str) -> str:
    return f"`{kind}`" if kind in DETECTORS else kind
