"""Verdicts on alerts teach which of the next ones to look at first. It ranks; it opens and suppresses nothing.

Features of a window are the latent vector of a trained detector, what this does not rebuild, in `SEGMENTS` parts of the
window, and the score: a latent vector alone says nothing of what the net has never seen. A logistic regression learns
from those of judged alerts how probable it is that people call an alert true. Few verdicts say little, and so:

- Each class needs `FEWEST` verdicts.
- The penalty on the weights is chosen by how well verdicts left out are foreseen (five folds).
- Probabilities are calibrated by the same verdicts left out (Platt 1999): the slope on their log-odds, 0 at least.
  Where verdicts contradict one another it is near 0, and every alert is as probable as any other.
- People judge a selection. `prior` is the share of true alerts among all of them, where that is known better than from
  those judged: it moves all probabilities, and no rank (Saerens, Latinne and Decaestecker 2002,
  doi:10.1162/089976602753284446).

>>> random = np.random.default_rng(0)
>>> features, verdicts = random.normal(size=(60, 3)), np.arange(60) % 3 == 0
>>> features[verdicts] += 2
>>> head = Reranker.fit(features, verdicts)
>>> first = head.order(features)[:20]
>>> bool(verdicts[first].mean() > 0.9), head.skill > 0.9
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import ArtefactError, ConfigError, DataError

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.artefacts.scorer import Scorer
    from models.detector import Detector

    Float64 = NDArray[np.float64]

FEWEST = 10  # verdicts of each class
FOLDS = 5
SEGMENTS = 8
PENALTIES = (0.001, 0.01, 0.1, 1.0)  # inverse strengths, the strictest first
SMALLEST = 1e-9  # spread of a feature, and distance of a share from 0 and 1
LARGEST = 16 * 2**20  # bytes of a file; a longer one is something else
FORMAT = "watchkeeper-reranker-1"


def alert_features(detector: Detector | Scorer, windows: ArrayLike) -> Float64:
    """Features of windows (n, length, channels), float64 (n, width); NaN for incomplete windows.

    They are the latent vector, the mean error of the reconstruction in each channel and segment, in the unit of the
    channel, and the log of the score. Raises ConfigError for a kind that encodes nothing.
    """
    if not detector.capabilities.encodes:
        from models.registry import DETECTORS

        able = ", ".join(sorted(name for name, kind in DETECTORS.items() if kind.capabilities.encodes))
        raise ConfigError(f"{detector.kind} has no latent vector to rank alerts by; train one of: {able}")
    code, rebuilt = (cast("Float32", ask(windows)) for ask in (detector.encode, detector.reconstruct))
    errors = np.asarray(windows, np.float64).reshape(rebuilt.shape) - rebuilt
    segments = np.array_split(errors, min(SEGMENTS, detector.length), axis=1)
    means = np.concatenate([segment.mean(axis=1) for segment in segments], axis=1)  # (n, segments * channels)
    logs = np.log(np.maximum(detector.score(windows).astype(np.float64), SMALLEST))
    return np.concatenate([code, means, logs[:, None]], axis=1)


@dataclass(frozen=True)
class Reranker:
    """Log-odds are `bias` + (features - `centre`) / `scale` · `weights`, arrays (width,).

    `skill` is the area under the ROC curve of verdicts that were left out, .5 where nothing was learned; `verdicts` is
    how many it learned from, true and not.
    """

    centre: Float64
    scale: Float64
    weights: Float64
    bias: float
    skill: float
    verdicts: tuple[int, int]

    @classmethod
    def fit(cls, features: ArrayLike, verdicts: ArrayLike, *, prior: float | None = None) -> Reranker:
        """Learn from features (n, width) of judged alerts and whether each was true, (n,).

        Rows with NaN are left out. The same verdicts give the same numbers. Raises DataError for fewer than `FEWEST`
        of either class or for arrays that do not fit, and ConfigError for a prior that is not between 0 and 1.
        """
        if prior is not None and not 0 < prior < 1:
            raise ConfigError(f"prior = {prior}; the share of true alerts lies between 0 and 1")
        rows, true = _judged(features, verdicts)
        centre, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), SMALLEST)
        standard = (rows - centre) / scale
        left_out, penalty = _left_out(standard, true)
        slope, shift = _calibration(left_out, true)
        model = _regression(penalty).fit(standard, true)
        share = true.mean()
        moved = 0.0 if prior is None else _log_odds(prior) - _log_odds(float(share))
        bias = slope * float(model.intercept_[0]) + shift + moved
        counts = int(true.sum()), int((~true).sum())
        return cls(centre, scale, slope * model.coef_[0], bias, _skill(left_out, true), counts)

    def probability(self, features: ArrayLike) -> Float64:
        """That each alert is true, (n,), by features (n, width); NaN where they hold NaN. Raises DataError."""
        rows = np.asarray(features, np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.centre):
            raise DataError(f"features have shape {rows.shape}, expected (n, {len(self.centre)})")
        odds = self.bias + ((rows - self.centre) / self.scale * self.weights).sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.exp(-np.logaddexp(0, -odds)))

    def order(self, features: ArrayLike) -> NDArray[np.int64]:
        """Places of the alerts, the most probable first; equals, and at the end those unknown, in their order."""
        return np.argsort(-self.probability(features), kind="stable")

    def save(self, path: str | Path) -> None:
        """Write it as a safetensors file, at once or not at all."""
        from models.artefacts.described import describe

        arrays = {"centre": self.centre, "scale": self.scale, "weights": self.weights}
        said = {"format": FORMAT, "bias": self.bias, "skill": self.skill, "verdicts": list(self.verdicts)}
        with NamedTemporaryFile(dir=Path(path).parent, delete=False) as file:
            file.write(describe(arrays, said))
        Path(file.name).replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Reranker:
        """What `save` wrote. Raises ArtefactError where it is missing, damaged or something else."""
        from safetensors import SafetensorError

        try:
            with Path(path).open("rb") as file:
                body = file.read(LARGEST)
            return cls(*_unpacked(body))
        except (OSError, SafetensorError, ArtefactError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"{path} cannot rank alerts: {error}; fit it again") from error


def _unpacked(body: bytes) -> tuple[Float64, Float64, Float64, float, float, tuple[int, int]]:
    from safetensors import numpy as safetensors

    from models.artefacts.described import described

    arrays, said = safetensors.load(body), described(body)
    centre, scale, weights = (arrays[name] for name in ("centre", "scale", "weights"))
    if said["format"] != FORMAT or centre.ndim != 1 or not centre.shape == scale.shape == weights.shape:
        raise ValueError("it is of another format, or its arrays do not fit one another")
    true, other = map(int, said["verdicts"])
    return centre, scale, weights, float(said["bias"]), float(said["skill"]), (true, other)


def _judged(features: ArrayLike, verdicts: ArrayLike) -> tuple[Float64, NDArray[np.bool_]]:
    rows, true = np.asarray(features, np.float64), np.asarray(verdicts)
    if rows.ndim != 2 or true.shape != rows.shape[:1] or true.dtype != np.bool_:
        raise DataError(
            f"features have shape {rows.shape}, verdicts {true.shape} of {true.dtype}; expected (n, width) and (n,) of "
            "true or false"
        )
    whole = np.isfinite(rows).all(axis=1)
    rows, true = rows[whole], true[whole]
    if min(true.sum(), (~true).sum()) < FEWEST:
        raise DataError(
            f"{int(true.sum())} alerts judged true and {int((~true).sum())} judged false; at least {FEWEST} of each "
            "are needed before alerts can be ranked by verdicts"
        )
    return rows, true


def _regression(penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=penalty, class_weight="balanced", max_iter=1000)


def _left_out(standard: Float64, true: NDArray[np.bool_]) -> tuple[Float64, float]:
    """Log-odds (n,) of each verdict by the others, with the penalty that foresees them best, and that penalty."""
    from sklearn.model_selection import StratifiedKFold

    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(standard, true))
    best, lowest, chosen = np.zeros(len(true)), np.inf, PENALTIES[0]
    for penalty in PENALTIES:
        odds = np.empty(len(true))
        for learn, rest in folds:
            odds[rest] = _regression(penalty).fit(standard[learn], true[learn]).decision_function(standard[rest])
        loss = np.logaddexp(0, np.where(true, -odds, odds)).mean()
        if loss < lowest:
            best, lowest, chosen = odds, loss, penalty
    return best, chosen


def _calibration(odds: Float64, true: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope, at least 0, and shift that make log-odds of verdicts left out fit how often these are true.

    As Platt has it, each verdict counts a little as its opposite: a few that are all foreseen make nothing certain.
    """
    from sklearn.linear_model import LogisticRegression

    doubt = 1 / (np.where(true, true.sum(), (~true).sum()) + 2)
    both, targets = np.concatenate([odds, odds])[:, None], np.concatenate([true, ~true])
    found = LogisticRegression(C=np.inf, max_iter=1000).fit(both, targets, np.concatenate([1 - doubt, doubt]))
    slope = float(found.coef_[0, 0])
    if slope <= 0:
        return 0.0, _log_odds(float(true.mean()))
    return slope, float(found.intercept_[0])


def _skill(odds: Float64, true: NDArray[np.bool_]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(true, odds))


def _log_odds(share: float) -> float:
    inside = min(max(share, SMALLEST), 1 - SMALLEST)
    return float(np.log(inside / (1 - inside)))
