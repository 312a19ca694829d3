"""Ensemble: several detectors of the registry as one, each measured in its own normal scores.

Members learn the same windows; their scores have different units. So each is divided by what is usual for it on clean
held-out windows, and the results are mixed (Aggarwal and Sathe 2017, doi:10.1007/978-3-319-54765-7):

- `mean`: mean of score / limit, where the limit is the default one of a detector alone. Members that agree count.
- `max`: the largest score / limit. What one member alone can see is not watered down, nor are its false alarms.
- `rank`: mean position among the clean scores, 1 for the lowest and 2 for the highest, by tenths between which it is
  linear; beyond the highest it goes on by the distance from the median to that. Where scores of members are spread
  unlike one another, they count alike.

`members` are kinds by name, or tables of a `kind` and its options: `["dense", { kind = "gmm", components = 4 }]`. Each
has the `validation` and `keep` of the ensemble, and its seed. Members may be networks, which need PyTorch to learn; the
graph of the ensemble holds theirs, so that it scores without, as every detector does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models import registry
from models.artefacts.clean import clean_mode
from models.artefacts.scores import ScoreSummary
from models.contract import HELD_OUT, Fitted, Outputs
from models.errors import ConfigError
from models.options import refuse_unknown

if TYPE_CHECKING:
    from models.artefacts.data import Float32
    from models.graph import Graph

Float64 = NDArray[np.float64]

MEAN, MAX, RANK = MIXES = ("mean", "max", "rank")
MOST = 16
N_STD = 6.0  # where the limit of a detector alone stands: see decision 7
TENTHS = np.linspace(0, 1, 11)
SMALLEST = 1e-6  # unit of a member's scores: past that never changed has clean scores of 0
NARROWEST = 0.05  # of the highest clean score: rounding must not decide a position between two tenths


@dataclass(frozen=True)
class EnsembleConfig:
    """`members` are kinds, or tables of a kind and its options, and `mix` says how their scores become one."""

    members: tuple[str | Mapping[str, Any], ...] = ("gmm", "ocsvm")
    mix: str = MEAN
    validation: float = HELD_OUT
    keep: float = 0.6

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))  # JSON and TOML give lists
        refuse_unknown("ensemble: mix", [self.mix], MIXES)
        if not 1 <= len(self.members) <= MOST:
            raise ConfigError(f"ensemble: {len(self.members)} members; there must be between 1 and {MOST}")
        if not (0 < self.validation < 1 and 0 < self.keep <= 1):
            raise ConfigError(
                f"ensemble: validation = {self.validation}, keep = {self.keep}; validation must be between 0 and 1, "
                "keep above 0 and at most 1"
            )
        for kind, options in self.of_members():
            if kind == "ensemble" or registry.kind_of(kind).capabilities.engine != "onnx":
                raise ConfigError(f"ensemble: {kind} cannot be a member: only kinds whose score is one graph can")
            registry.configs(kind, options)

    def of_members(self) -> list[tuple[str, dict[str, Any]]]:
        """Kind and options of each."""
        shared = {"validation": self.validation, "keep": self.keep}
        return [(kind, {**options, **shared}) for kind, options in map(_member, self.members)]


def _member(given: object) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):
        return given, {}
    if not (isinstance(given, Mapping) and isinstance(given.get("kind"), str)):
        raise ConfigError(
            f"ensemble: {given!r} is no member; write the name of a kind, or {{ kind = NAME, OPTION = … }}"
        )
    options = {name: value for name, value in given.items() if name != "kind"}
    own = sorted({"validation", "keep"} & options.keys())
    if own:
        raise ConfigError(f"ensemble: {own[0]} of a member is that of the ensemble; write it beside members")
    return given["kind"], options


class Ensemble:
    """Fits the members. See `models.contract.Estimator`."""

    def __init__(self, config: EnsembleConfig, seed: int = 0, device: str = "auto") -> None:
        self._config = config
        self._members = [registry.estimator(kind, options, seed, device) for kind, options in config.of_members()]

    @property
    def validation(self) -> float:
        """See `Estimator.validation`."""
        return self._config.validation

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedEnsemble:
        """See `Estimator.fit`."""
        fitted = [member.fit(learn, held_out, progress=progress) for member in self._members]
        usual = [member.score(held_out) for member in fitted]
        return FittedEnsemble(fitted, usual, self._config)


class FittedEnsemble:
    """The fitted members and their scores (n,) of the held-out windows. See `models.contract.Fitted`."""

    history = None

    def __init__(self, members: Sequence[Fitted], usual: Sequence[Float32], config: EnsembleConfig) -> None:
        self._members, self._config = members, config
        if config.mix == RANK:
            self._measures: list[_Position | _Ratio] = [_Position(scores) for scores in usual]
        else:
            self._measures = [_Ratio(scores) for scores in usual]

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return asdict(self._config)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        pairs = zip(self._members, self._measures, strict=True)
        parts = [measure.export(graph, member.outputs(graph, x).score) for member, measure in pairs]
        if self._config.mix == MAX:
            return Outputs(graph.node("Max", *parts))
        share = graph.floats([1 / len(parts)])
        return Outputs(graph.node("Mul", graph.node("Sum", *parts), share))

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        pairs = zip(self._members, self._measures, strict=True)
        parts = np.stack([measure.of(member.score(windows).astype(np.float64)) for member, measure in pairs])
        mixed = parts.max(axis=0) if self._config.mix == MAX else parts.mean(axis=0)
        return np.asarray(mixed, np.float32)

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`; a member's are named by its place, and beside them what its scores are measured in."""
        found: dict[str, NDArray[Any]] = {}
        for place, (member, measure) in enumerate(zip(self._members, self._measures, strict=True)):
            found |= {f"member{place}.{name}": values for name, values in member.weights().items()}
            found[f"measure{place}"] = measure.numbers.astype(np.float32)
        return found


class _Ratio:
    """Scores in units of the limit."""

    def __init__(self, usual: Float32) -> None:
        self.numbers = np.array([max(ScoreSummary.of(usual).limit(N_STD), SMALLEST)])

    def of(self, scores: Float64) -> Float64:
        return np.asarray(scores / self.numbers)

    def export(self, graph: Graph, score: str) -> str:
        return graph.node("Mul", score, graph.floats(1 / self.numbers))


class _Position:
    """Scores by their position among the clean ones, and how far they lie beyond; `numbers` are the tenths."""

    def __init__(self, usual: Float32) -> None:
        self.numbers = np.quantile(clean_mode(usual.astype(np.float64)), TENTHS)
        self._top = max(float(self.numbers[-1]), SMALLEST)
        self._widths = np.maximum(np.diff(self.numbers), NARROWEST * self._top)
        self._reach = max(self._top - float(np.median(self.numbers)), NARROWEST * self._top)

    def of(self, scores: Float64) -> Float64:
        steps = np.clip((scores[:, None] - self.numbers[:-1]) / self._widths, 0, 1)
        return np.asarray(1 + steps.mean(axis=1) + np.maximum(scores - self._top, 0) / self._reach)

    def export(self, graph: Graph, score: str) -> str:
        column = graph.node("Unsqueeze", score, graph.constant([1]))
        steps = graph.node(
            "Mul", graph.node("Sub", column, graph.floats(self.numbers[:-1])), graph.floats(1 / self._widths)
        )
        inside = graph.node("Clip", steps, graph.floats(0), graph.floats(1))
        share = graph.floats(np.full((len(self._widths), 1), 1 / len(self._widths)))
        position = graph.node("Gemm", inside, share, graph.floats([1]))
        beyond = graph.node("Relu", graph.node("Sub", column, graph.floats([self._top])))
        excess = graph.node("Mul", beyond, graph.floats([1 / self._reach]))
        return graph.node("Squeeze", graph.node("Add", position, excess), graph.constant([1]))
