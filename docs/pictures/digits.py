"""Draws docs/pictures/digits.png: handwritten digits, the same with noise, and what each autoencoder makes of them.

    python docs/pictures/digits.py docs/pictures/digits.png

A picture is a window: its rows are the steps, its columns the channels. Kinds that this version lacks are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import models

LEARNED, NOISE, SIZE = 1500, 0.4, 8
KINDS: dict[str, dict[str, Any]] = {
    "dense": {"hidden": [48, 16]},
    "denoising": {"hidden": [48, 16], "size": NOISE},
    "conv": {"filters": 32, "latent": 16},
}
TRAINING = {"keep": 1.0, "patience": 10}  # every digit is normal


class Rebuilt(NamedTuple):
    """What a kind makes of digits that it has not seen.

    `taken_out` is the share of the noise's power that is missing from its reconstruction of the noisy ones, below 0
    where it adds to it; `turned_auc` is how well it ranks digits upside down above upright ones.
    """

    pictures: np.ndarray
    taken_out: float
    turned_auc: float


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits to learn from, others, and those with noise; each (n, rows, columns) from -1, paper, to 1, ink."""
    pictures = (load_digits().images / 8 - 1).astype(np.float32)
    clean = pictures[LEARNED:]
    noise = np.random.default_rng(0).normal(0, NOISE, clean.shape).astype(np.float32)
    return pictures[:LEARNED], clean, clean + noise


def rebuilt(kind: str, **training: Any) -> Rebuilt:
    """Train the kind on digits and show it others."""
    learned, clean, noisy = digits()
    options = {**TRAINING, **KINDS[kind], **training}
    detector = models.create(kind, length=SIZE, channels=SIZE, seed=0, scale=False, **options)
    detector.fit(learned, progress=False)
    pictures = np.asarray(detector.reconstruct(noisy))
    left = float(np.square(pictures - clean).mean() / np.square(noisy - clean).mean())
    scores = np.concatenate([detector.score(clean), detector.score(clean[:, ::-1])])
    return Rebuilt(pictures, 1 - left, float(roc_auc_score(np.repeat([0, 1], len(clean)), scores)))


def known() -> list[str]:
    """The kinds that are drawn."""
    return [kind for kind in KINDS if kind in models.DETECTORS]


def draw(rows: dict[str, np.ndarray]) -> Figure:
    """A row of ten digits, 0 to 9, for each entry: pictures (n, rows, columns) of the digits not learned from."""
    target = load_digits().target[LEARNED:]
    chosen = [int(np.flatnonzero(target == digit)[0]) for digit in range(10)]
    figure = Figure(figsize=(10, 1.05 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(chosen), squeeze=False)
    for axes, (name, pictures) in zip(grid, rows.items(), strict=True):
        for place, (number, cell) in enumerate(zip(chosen, axes, strict=True)):
            cell.imshow(pictures[number], cmap="gray_r", vmin=-1, vmax=1)
            cell.set(xticks=[], yticks=[])
            if place == 0:
                cell.set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def main(path: Path) -> None:
    """Train, print the figures, and draw."""
    _, clean, noisy = digits()
    rows = {"input": clean, "noisy": noisy}
    for kind in known():
        found = rebuilt(kind)
        rows[kind] = found.pictures
        said = f"{kind}: {found.taken_out:.0%} of the noise taken out, upside down AUC {found.turned_auc:.3f}"
        sys.stdout.write(f"{said}\n")
    figure = draw(rows)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=72, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
