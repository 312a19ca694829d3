"""Every kind of detector and every engine, by name. A new kind is a new file and a line here.

Modules are named, not imported: importing `models` stays cheap, and settings are checked without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from models.contract import Capabilities
from models.options import ENCODER, build, refuse_unknown

if TYPE_CHECKING:
    from models.contract import Engine, Estimator
    from models.networks.estimator import NetworkEstimator
    from models.networks.training_options import TrainingConfig


AUTOENCODER = Capabilities()
RELATIONS = Capabilities(reconstructs=False, epochs=False, trains_with="scikit-learn")
STATISTIC = Capabilities(reconstructs=False, explains=False, epochs=False, trains_with="scikit-learn")
REBUILDER = Capabilities(explains=False)  # an autoencoder whose score is no sum over cells
JUDGE = Capabilities(reconstructs=False, explains=False)  # a net that says how normal a window is, and no more


@dataclass(frozen=True)
class Kind:
    """A kind of detector: "module:class" of what makes it and of its options, and what it can do.

    With epochs, `made_by` is an architecture (`models.networks.base.Net`); otherwise it makes an
    `Estimator` of `(config, seed)`. The class of options is a dataclass whose every field has a default, `validation`
    and `keep` among them or among those of training. `training` holds the options of training that have another default
    for this kind. `holds_nets`: a kind without epochs that may train nets inside is made of `(config, seed, device)`.
    """

    made_by: str
    options: str
    capabilities: Capabilities = AUTOENCODER
    training: Mapping[str, Any] = field(default_factory=dict)
    holds_nets: bool = False


DETECTORS: Final = {
    "autoregressive": Kind(
        "models.networks.autoregressive:Autoregressive",
        "models.networks.autoregressive_options:AutoregressiveConfig",
    ),
    "dagmm": Kind(
        "models.networks.dagmm:DAGMM", "models.networks.dagmm_options:DAGMMConfig", REBUILDER
    ),
    "deep_svdd": Kind(
        "models.networks.deep_svdd:DeepSVDD", "models.networks.deep_svdd_options:DeepSVDDConfig",
        JUDGE,
    ),
    "dense": Kind(
        "models.networks.dense:Dense", "models.networks.dense_options:DenseConfig", Capabilities(encodes=True)
    ),
    "sparse": Kind("models.networks.sparse:Sparse", "models.networks.sparse_options:SparseConfig"),
    "denoising": Kind("models.networks.denoising:Denoising", "models.networks.denoising_options:DenoisingConfig"),
    "conv": Kind("models.networks.conv:Conv", "models.networks.conv_options:ConvConfig"),
    "unet": Kind("models.networks.unet:UNet", "models.networks.unet_options:UNetConfig"),
    "recursive": Kind("models.networks.recursive:Recursive", "models.networks.recursive_options:RecursiveConfig"),
    "aer": Kind(
        "models.networks.aer:AER", "models.networks.aer_options:AERConfig", REBUILDER
    ),
    "forecast": Kind("models.networks.forecast:Forecast", "models.networks.forecast_options:ForecastConfig"),
    "lstm": Kind("models.networks.lstm:LSTM", "models.networks.lstm_options:LSTMConfig"),
    "gmm": Kind(
        "models.statistical.gmm:Gmm", "models.statistical.gmm:GmmConfig",
        STATISTIC,
    ),
    "ocsvm": Kind(
        "models.statistical.ocsvm:Ocsvm", "models.statistical.ocsvm:OcsvmConfig",
        STATISTIC,
    ),
    "xbar": Kind(
        "models.statistical.xbar:Xbar", "models.statistical.xbar:XbarConfig",
        STATISTIC,
    ),
    "mahalanobis": Kind(
        "models.statistical.mahalanobis:Mahalanobis", "models.statistical.mahalanobis:MahalanobisConfig", RELATIONS
    ),
    "pca": Kind(
        "models.statistical.pca:PCA", "models.statistical.pca:PCAConfig",
        Capabilities(epochs=False, trains_with="scikit-learn"),
    ),
    "sub_pca": Kind("models.statistical.sub_pca:SubPCA", "models.statistical.sub_pca:SubPCAConfig", RELATIONS),
    "kmeans": Kind("models.statistical.kmeans:KMeans", "models.statistical.kmeans:KMeansConfig", STATISTIC),
    "knn": Kind("models.statistical.knn:KNN", "models.statistical.knn:KNNConfig", STATISTIC),
    "matrix_profile": Kind(
        "models.statistical.matrix_profile:MatrixProfile", "models.statistical.matrix_profile:MatrixProfileConfig",
        STATISTIC,
    ),
    "ensemble": Kind(
        "models.ensemble:Ensemble", "models.ensemble:EnsembleConfig",
        STATISTIC, holds_nets=True,
    ),
    "ganomaly": Kind(
        "models.networks.ganomaly:Ganomaly", "models.networks.ganomaly_options:GanomalyConfig",
        REBUILDER,
    ),
    "skip_ganomaly": Kind(
        "models.networks.skip_ganomaly:SkipGanomaly", "models.networks.skip_ganomaly_options:SkipGanomalyConfig",
        REBUILDER,
    ),
    "alocc": Kind(
        "models.networks.alocc:Alocc", "models.networks.alocc_options:AloccConfig", JUDGE, {"reach": 1.0, "epochs": 60},
    ),
    "gan": Kind(
        "models.networks.gan:Gan", "models.networks.gan_options:GanConfig", JUDGE, {"reach": 1.0, "epochs": 60},
    ),
    "fanogan": Kind(
        "models.networks.fanogan:Fanogan", "models.networks.fanogan_options:FanoganConfig", REBUILDER,
        {"reach": 1.0, "epochs": 100},
    ),
    "efficientgan": Kind(
        "models.networks.efficientgan:Efficientgan", "models.networks.efficientgan_options:EfficientganConfig",
        REBUILDER, {"reach": 1.0, "epochs": 60},
    ),
    "anogan": Kind(
        "models.networks.anogan:Anogan", "models.networks.anogan_options:AnoganConfig",
        Capabilities(reconstructs=False, explains=False, engine="torch"), {"reach": 1.0, "epochs": 100},
    ),
    "vae": Kind("models.networks.vae:VAE", "models.networks.vae_options:VAEConfig"),
}  # fmt: skip

SEEDS: Final = 2**32  # of scikit-learn
ENGINES: Final = {"onnx": "models.artefacts.runtime:Runtime", "torch": "models.torch_engine:TorchEngine"}


def kind_of(name: str) -> Kind:
    """The entry of a kind. Raises ConfigError for an unknown one."""
    refuse_unknown("detector", [name], DETECTORS)
    return DETECTORS[name]


def configs(name: str, options: Mapping[str, Any]) -> tuple[Any, TrainingConfig | None]:
    """The options of the kind and, where it has epochs, those of training. Raises ConfigError."""
    classes = option_classes(name)
    refuse_unknown(name, options, [field.name for config_class in classes for field in fields(config_class)])
    of_kind, *of_training = classes
    chosen = {**kind_of(name).training, **options}
    return build(name, of_kind, options), build(name, of_training[0], chosen) if of_training else None


def option_classes(name: str) -> list[type[Any]]:
    """The dataclasses that an option of the kind may come from."""
    from models.networks.training_options import TrainingConfig

    kind = kind_of(name)
    return [resolve(kind.options), *([TrainingConfig] if kind.capabilities.epochs else [])]


def estimator(name: str, options: Mapping[str, Any], seed: int, device: str = "auto") -> Estimator:
    """A new estimator of the kind; `device` is where a kind with epochs is trained.

    Raises ConfigError, and ModuleNotFoundError where a library is not installed.
    """
    config, training = configs(name, options)
    made_by = resolve(kind_of(name).made_by)
    if training is None:
        made: Estimator = made_by(config, seed % SEEDS, *([device] if kind_of(name).holds_nets else []))
        return _encoded(made, config, seed, device) if _has_encoder(config) else made
    from models.networks.estimator import NetworkEstimator

    return NetworkEstimator(made_by, config, training, seed, device)


def capabilities(name: str, options: Mapping[str, Any]) -> Capabilities:
    """What the kind can do with these options: where it holds a net, PyTorch trains it. Raises ConfigError."""
    config, _ = configs(name, options)
    known = kind_of(name).capabilities
    if _has_encoder(config):
        return replace(known, explains=False, trains_with="torch")
    members = config.of_members() if kind_of(name).holds_nets else ()
    nets = any(capabilities(*member).trains_with == "torch" for member in members)
    return replace(known, trains_with="torch") if nets else known


def _has_encoder(config: Any) -> bool:
    return getattr(config, "features", None) == ENCODER


def _encoded(made: Estimator, config: Any, seed: int, device: str) -> Estimator:
    """The estimator on what a trained net makes of windows."""
    from models.networks.encoded import Encoded

    shared = {"validation": config.validation, "keep": config.keep}
    return Encoded(cast("NetworkEstimator", estimator(ENCODER, shared, seed, device)), made)


def engine(name: str, body: bytes, chunk: int) -> Engine:
    """The engine of that name, of the bytes of a model. Raises KeyError, and ArtefactError where they do not fit."""
    made: Engine = resolve(ENGINES[name])(body, chunk)
    return made


def resolve(target: str) -> Any:
    """What "module:name" names; the module is imported."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
