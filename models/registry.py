"""Every kind of detector and every engine, by name. A new kind is a new file and a line here.

Modules are named, not imported: importing `models` stays cheap, and settings are checked without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from models.contract import Capabilities
from models.options import build, refuse_unknown

if TYPE_CHECKING:
    from models.contract import Engine, Estimator
    from models.networks.training_options import TrainingConfig


AUTOENCODER = Capabilities()


@dataclass(frozen=True)
class Kind:
    """A kind of detector: "module:class" of what makes it and of its options, and what it can do.

    With epochs, `made_by` is an architecture (`models.networks.base.Autoencoder`); otherwise it makes an
    `Estimator` of `(config, seed)`. The class of options is a dataclass whose every field has a default, `validation`
    and `keep` among them or among those of training.
    """

    made_by: str
    options: str
    capabilities: Capabilities = AUTOENCODER


DETECTORS: Final = {
    "dense": Kind("models.networks.dense:Dense", "models.networks.dense_options:DenseConfig"),
    "lstm": Kind("models.networks.lstm:LSTM", "models.networks.lstm_options:LSTMConfig"),
    "mahalanobis": Kind(
        "models.statistical.mahalanobis:Mahalanobis", "models.statistical.mahalanobis:MahalanobisConfig",
        Capabilities(reconstructs=False, epochs=False, trains_with="scikit-learn"),
    ),
}  # fmt: skip

ENGINES: Final = {"onnx": "models.artefacts.runtime:Runtime"}


def kind_of(name: str) -> Kind:
    """The entry of a kind. Raises ConfigError for an unknown one."""
    refuse_unknown("detector", [name], DETECTORS)
    return DETECTORS[name]


def configs(name: str, options: Mapping[str, Any]) -> tuple[Any, TrainingConfig | None]:
    """The options of the kind and, where it has epochs, those of training. Raises ConfigError."""
    classes = option_classes(name)
    refuse_unknown(name, options, [field.name for config_class in classes for field in fields(config_class)])
    of_kind, *of_training = (build(name, config_class, options) for config_class in classes)
    return of_kind, of_training[0] if of_training else None


def option_classes(name: str) -> list[type[Any]]:
    """The dataclasses that an option of the kind may come from."""
    from models.networks.training_options import TrainingConfig

    kind = kind_of(name)
    return [resolve(kind.options), *([TrainingConfig] if kind.capabilities.epochs else [])]


def estimator(name: str, options: Mapping[str, Any], seed: int) -> Estimator:
    """A new estimator of the kind. Raises ConfigError, and ModuleNotFoundError where a library is not installed."""
    config, training = configs(name, options)
    made_by = resolve(kind_of(name).made_by)
    if training is None:
        made: Estimator = made_by(config, seed)
        return made
    from models.networks.estimator import NetworkEstimator

    return NetworkEstimator(made_by, config, training, seed)


def engine(name: str, body: bytes, chunk: int) -> Engine:
    """The engine of that name, of the bytes of a model. Raises KeyError, and ArtefactError where they do not fit."""
    made: Engine = resolve(ENGINES[name])(body, chunk)
    return made


def resolve(target: str) -> Any:
    """What "module:name" names; the module is imported."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
