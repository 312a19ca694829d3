"""Which options of each kind a search may choose, and from where to where.

No range lets the narrow part of a net be wider than its default: a wide one finds small injected faults better, and
large real ones worse, as it rebuilds them. docs/detectors.md has the figures.

Kinds with epochs have two of training: `learning_rate`, a quarter to four times the kind's default, and `batch_size`.
A kind adds options of its net with a line in `SPACES`; docs/detectors.md lists all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from models import registry
from models.errors import ConfigError


class Whole(NamedTuple):
    """A whole number from `least` to `most`, both included, even on a log scale."""

    least: int
    most: int


class Number(NamedTuple):
    """A number from `least` to `most`, even on a log scale."""

    least: float
    most: float


class Choice(NamedTuple):
    """One of these."""

    values: Sequence[Any]


Space = dict[str, Whole | Number | Choice]


def _dense(inputs: int) -> Space:
    """Two or three layers: the first an eighth to a half of the inputs, the last a sixteenth or half of that."""
    quarter = min(256, max(8, inputs // 4))
    firsts = [first for first in (quarter // 2, quarter, 2 * quarter) if first >= 8]
    lasts = (quarter // 4, quarter // 8)
    two = [[first, last] for first in firsts for last in lasts]
    return {"hidden": Choice([*two, *([first, first // 2, last] for first in firsts for last in lasts)])}


def _lstm(inputs: int) -> Space:
    return {"hidden": Whole(16, 96), "latent": Whole(4, 8)}


def _fixed(name: str, where: Whole | Number) -> Callable[[int], Space]:
    """One option, whatever the window."""
    return lambda inputs: {name: where}


FILTERS: Final = _fixed("filters", Whole(8, 32))  # the latent vector between them stays
NEIGHBOURS: Final = _fixed("neighbours", Whole(5, 20))  # with fewer a fault that recurs hides itself
SPACES: Final[dict[str, Callable[[int], Space]]] = {
    "dense": _dense, "sparse": _dense, "denoising": _dense, "lstm": _lstm, "conv": FILTERS, "unet": FILTERS,
    "vae": _fixed("beta", Number(0.25, 4)), "pca": _fixed("variance", Number(0.7, 0.95)),
    "sub_pca": _fixed("variance", Number(0.7, 0.95)), "kmeans": _fixed("clusters", Whole(4, 64)),
    "gmm": _fixed("components", Whole(2, 16)), "ocsvm": _fixed("nu", Number(0.02, 0.3)), "knn": NEIGHBOURS,
    "matrix_profile": NEIGHBOURS,
}  # fmt: skip
BATCHES: Final = Choice([32, 64, 128])
REACH: Final = 4  # times the default of the learning rate, either way


def space(kind: str, inputs: int, fixed: Sequence[str]) -> Space:
    """The options to search for windows of so many `inputs`, length x channels; `fixed` ones are given already.

    Raises ConfigError where nothing is left to search.
    """
    found = dict(SPACES[kind](inputs)) if kind in SPACES else {}
    _, training = registry.configs(kind, {})
    if training is not None:
        rate = training.learning_rate
        found |= {"learning_rate": Number(rate / REACH, rate * REACH), "batch_size": BATCHES}
    free = {name: where for name, where in found.items() if name not in fixed}
    if not free:
        searched = [name for name in registry.DETECTORS if name in SPACES or registry.configs(name, {})[1]]
        given = f"; {', '.join(sorted(found))} are given already" if found else ""
        raise ConfigError(f"{kind} has no option to search{given}; kinds that have some: {', '.join(searched)}")
    return free
