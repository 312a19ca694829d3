"""Pictures of an evaluation: PNG files and one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.evaluation.metrics import Metrics

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.contract import History
    from models.detector import Detector

EXAMPLES = 3
STYLE = "body{font:16px/1.5 system-ui;max-width:62rem;margin:2rem auto}img{width:100%}td{padding-right:1rem}"


@dataclass(frozen=True)
class Evaluation:
    """A detector, the labelled windows it was tested on, and what came out. `normal` and `scores` are (n,)."""

    detector: Detector
    windows: Float32
    normal: NDArray[np.bool_]
    scores: Float32
    limit: float
    metrics: Metrics


def files(evaluation: Evaluation) -> dict[str, bytes]:
    """Loss curve (of a kind with epochs), score histogram and examples, and an HTML page of them: files by name."""
    history = evaluation.detector.history
    figures = {} if history is None else {"loss": draw_loss(history)}
    figures["scores"] = draw_scores(evaluation.scores, evaluation.normal, evaluation.limit)
    figures["examples"] = draw_examples(evaluation)
    pictures = {name: _png(figure) for name, figure in figures.items()}
    page = _page(evaluation, pictures).encode()
    return {**{f"{name}.png": picture for name, picture in pictures.items()}, "report.html": page}


def draw_loss(history: History) -> Figure:
    """Training and validation loss per epoch; a line marks the epoch whose weights were kept."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    epochs = range(1, len(history.train) + 1)
    axes.plot(epochs, history.train, label="training")
    axes.plot(epochs, history.validation, label="validation")
    if history.refit_epoch:
        axes.axvline(history.refit_epoch + 1, color="grey", linestyle="--", label="refit on clean windows")
    axes.axvline(history.best_epoch + 1, color="grey", linestyle=":", label="weights kept")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log", title="Loss")
    axes.legend()
    return figure


def draw_scores(scores: Float32, normal: NDArray[np.bool_], limit: float) -> Figure:
    """Histogram of the scores of both classes, with the limit. The axis is logarithmic: scores span decades."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    positive = np.maximum(scores, np.finfo(np.float32).tiny)
    bins = np.geomspace(positive.min(), max(positive.max(), positive.min() * 1.01), 60).tolist()
    axes.hist(positive[normal], bins, alpha=0.6, label="normal")
    axes.hist(positive[~normal], bins, alpha=0.6, label="anomalous")
    axes.axvline(limit, color="black", linestyle="--", label=f"limit {limit:.3g}")
    axes.set(xlabel="score", ylabel="windows", xscale="log", title="Scores")
    axes.legend()
    return figure


def draw_examples(evaluation: Evaluation) -> Figure:
    """Typical normal (upper row) and anomalous windows; the gap to their reconstruction, if there is one, is shaded.

    Typical: the windows at the quarters of each class's scores. Of several channels the most blamed one is shown.
    """
    figure = Figure(figsize=(12, 6), layout="constrained")
    grid = figure.subplots(2, EXAMPLES, squeeze=False)
    for row, (name, mask) in enumerate((("normal", evaluation.normal), ("anomalous", ~evaluation.normal))):
        members = np.flatnonzero(mask)
        ranked = members[np.argsort(evaluation.scores[members])]
        picks = ranked[[round(share * (len(ranked) - 1)) for share in (0.25, 0.5, 0.75)]]
        windows = evaluation.windows[picks]
        rebuilt, shares = evaluation.detector.reconstruct(windows), evaluation.detector.explain(windows)
        channels = np.zeros(len(picks), int) if shares is None else shares.sum(axis=1).argmax(axis=1)
        for column, (pick, channel) in enumerate(zip(picks, channels, strict=True)):
            axes = grid[row][column]
            value = windows[column, :, channel]
            axes.plot(value, label="window")
            if rebuilt is not None:
                expected = rebuilt[column, :, channel]
                axes.plot(expected, label="reconstruction")
                axes.fill_between(range(len(value)), value, expected, alpha=0.25)
            axes.set_title(f"{name}: {evaluation.scores[pick] / evaluation.limit:.2f} of the limit")
    grid[0][0].legend()
    return figure


def _png(figure: Figure) -> bytes:
    body = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(body, format="png")
    return body.getvalue()


def _page(evaluation: Evaluation, pictures: Mapping[str, bytes]) -> str:
    numbers = {**asdict(evaluation.metrics), "limit": evaluation.limit}
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{value:.4f}</td></tr>" for name, value in numbers.items())
    images = "".join(
        f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(body).decode()}">'
        for name, body in pictures.items()
    )
    anomalous = int((~evaluation.normal).sum())
    kind = html.escape(evaluation.detector.kind)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>Evaluation of {kind}</title><style>{STYLE}</style>"
        f"<h1>Evaluation of {kind}</h1><p>{len(evaluation.normal) - anomalous} normal and {anomalous} anomalous test "
        f"windows; anomaly is the positive class.</p><table>{rows}</table>{images}</html>\n"
    )
