"""The registries, and a function for each part of a worker. No I/O at import.

Registries map the names of the configuration to "module:class"; adding one is a new file and a line here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, cast

from monitor.config.families import Family
from monitor.config.formats import REGISTRY
from monitor.config.references import resolve
from monitor.config.settings import Settings
from monitor.errors import ModelError, Problems, SettingsError
from monitor.records.batches import LIVE
from monitor.records.streams import StreamIndex

if TYPE_CHECKING:
    from monitor.pipeline.family import Pipeline
    from monitor.pipeline.scoring.recipe import Recipe
    from monitor.pipeline.thresholds.base import Threshold
    from monitor.ports.scorer import Scorer
    from monitor.ports.source import Assignments, Source
    from monitor.ports.store import Store
    from monitor.sources.decode import Decoder
    from monitor.sources.formats.registry import Registry
    from monitor.store.queries import Reader
    from monitor.training.drift import Drifts
    from monitor.training.fit import NormalScores, Trainable
    from monitor.training.model_library import ModelLibrary
    from monitor.training.model_manager import Champions
    from monitor.worker.heartbeat import HeartbeatThread
    from monitor.worker.maintenance import Upkeep
    from monitor.worker.model_provider import Models
    from monitor.worker.progress import Progress

THRESHOLDS = {
    "rolling": "monitor.pipeline.thresholds.rolling:RollingThreshold",
    "static": "monitor.pipeline.thresholds.static:StaticThreshold",
    "quantile": "monitor.pipeline.thresholds.quantile:QuantileThreshold",
    "mad": "monitor.pipeline.thresholds.mad:MadThreshold",
    "pot": "monitor.pipeline.thresholds.pot:PotThreshold",
    "conformal": "monitor.pipeline.thresholds.conformal:ConformalThreshold",
}
DECODERS = {  # by format.kind
    "json": "monitor.sources.formats.json_messages:JsonDecoder",
    "json-array": "monitor.sources.formats.json_messages:JsonArrayDecoder",
    "json-batch": "monitor.sources.formats.json_batch:JsonBatchDecoder",
    "csv": "monitor.sources.formats.csv_lines:CsvDecoder",
    "float32": "monitor.sources.formats.vectors:VectorDecoder",
    "float64": "monitor.sources.formats.vectors:VectorDecoder",
    "avro": "monitor.sources.formats.avro:AvroDecoder",
    "protobuf": "monitor.sources.formats.protobuf:ProtobufDecoder",
    "json-schema": "monitor.sources.formats.json_schema:JsonSchemaDecoder",
}

BROKER_S = 30.0  # for a broker to answer a run that ends


def threshold(family: Family) -> Threshold:
    """The family's threshold, without any history."""
    return cast("Threshold", resolve(THRESHOLDS[family.threshold.kind]).of(family.threshold))


def recipe(family: Family) -> Recipe:
    """How the family's windows are scored and judged, without any history."""
    from monitor.pipeline.scoring.recipes import registry

    return registry.recipe(family, threshold(family))


def pipeline(name: str, family: Family, run: str = LIVE, index: StreamIndex | None = None) -> Pipeline:
    """A family's stages, without streams or model."""
    from monitor.pipeline.family import Pipeline

    bounded = StreamIndex(family.max_streams) if index is None else index
    return Pipeline(name, family, bounded, recipe(family), run)


def pipelines(settings: Settings, run: str = LIVE) -> dict[str, Pipeline]:
    """The stages of every family."""
    return {name: pipeline(name, family, run) for name, family in settings.families.items()}


def store(settings: Settings) -> Store:
    """The SQL store; a new SQLite file gets its tables."""
    from monitor.store.sql import open_store

    return open_store(settings.store.url)


def upkeep(settings: Settings, results: Store, models: Models, *, live: bool) -> Upkeep:
    """The maintenance of the settings and of the database, before the models of a worker."""
    from monitor.config.maintenance import planned
    from monitor.worker.maintenance import LOOK_S, Upkeep

    every, announces = LOOK_S if live else math.inf, bool(settings.notify)
    return Upkeep(models, results.maintenance, planned(settings.maintenance), announces=announces, every=every)


def reader(settings: Settings) -> Reader:
    """The store as the command line and the web read it."""
    from monitor.store.queries import open_reader

    return open_reader(settings.store.url)


def decoders(settings: Settings, indexes: Mapping[str, StreamIndex]) -> dict[str, tuple[str, Decoder]]:
    """By topic: the family's name and what reads its messages. Raises SettingsError."""
    families = {name: family for name, family in settings.families.items() if name in indexes}
    framed = any(family.format.kind in REGISTRY for family in families.values())
    registry = schema_registry(settings) if framed else None
    made, problems = {}, Problems()
    for name, family in families.items():
        with problems.noting(f"families.{name}."):
            made[family.topic] = name, decoder(family, indexes[name], registry)
    problems.refuse()
    return made


def decoder(family: Family, index: StreamIndex, registry: Registry | None = None) -> Decoder:
    """What reads the messages of a family, in bounded memory; formats with schemas need the registry."""
    from monitor.sources.bounded_decode import BoundedDecoder

    kind = family.format.kind
    needs = (family, index, registry) if kind in REGISTRY else (family, index)
    return BoundedDecoder(cast("Decoder", resolve(DECODERS[kind])(*needs)), family)


def schema_registry(settings: Settings) -> Registry:
    """A client of the schema registry; asks nothing yet. Raises SettingsError."""
    try:
        from monitor.sources.formats.registry import open_registry
    except ModuleNotFoundError as error:
        missing = f"schema_registry: {error.name} is not installed; pip install 'watchkeeper[registry]'"
        raise SettingsError(missing) from None
    return open_registry(settings.schema_registry)


def kafka_source(
    settings: Settings, running: Mapping[str, Pipeline], listener: Assignments, *, patient: bool = True
) -> Source:
    """A consumer of all families' topics in the configured group; `patient` where it waits for a schema registry."""
    from monitor.sources.kafka import KafkaSource

    made = decoders(settings, {name: pipeline.index for name, pipeline in running.items()})
    return KafkaSource(settings.kafka, made, listener, patient=patient)


def kafka_source_now(settings: Settings, running: Mapping[str, Pipeline], listener: Assignments) -> Source:
    """As `kafka_source`, for a run that ends: SourceError where a topic is missing, or broker or registry are away."""
    from monitor.sources.kafka_topics import require_topics

    require_topics(settings.kafka, [settings.families[name].topic for name in running], BROKER_S)
    return kafka_source(settings, running, listener, patient=False)


def kafka_range(settings: Settings, running: Mapping[str, Pipeline], written: int | None = None, **edge: int) -> Source:
    """The records that all families' topics hold now; `KafkaRange` says which of them the options leave out."""
    from monitor.sources.kafka_range import KafkaRange

    return KafkaRange(settings.kafka, decoders(settings, {n: p.index for n, p in running.items()}), written, **edge)


def broker(settings: Settings) -> AbstractContextManager[Settings]:
    """The settings with the address of a broker; if they ask for the embedded one, it runs until the exit."""
    if settings.kafka.bootstrap_servers != "embedded":
        return nullcontext(settings)
    from monitor.sources.embedded import embedded_broker

    return embedded_broker(settings)


def drifts(settings: Settings, run: str) -> Drifts | None:
    """What looks for drifts; None where no family asks for it. Raises SettingsError where River is not installed."""
    if not any(family.train.drift for family in settings.families.values()):
        return None
    from monitor.training.drift import Drifts, kswin

    return Drifts(run, settings.families, kswin())


def heartbeat(
    settings: Settings, progress: Progress, champions: Champions, *, dispatch: bool = True
) -> HeartbeatThread:
    """The thread that reports the live worker's state, over connections to SQL and Kafka that nothing else uses.

    `dispatch`: the worker delivers notifications.
    """
    from monitor.sources.kafka_lag import KafkaLag
    from monitor.store.workers import open_heartbeats
    from monitor.worker.heartbeat import HeartbeatThread, new_report

    topics = {name: family.topic for name, family in settings.families.items()}
    report = new_report(LIVE, topics, tuple(settings.notify) if dispatch else ())
    heartbeats, read_lag = open_heartbeats(settings.store.url), KafkaLag(settings.kafka)
    return HeartbeatThread(report, progress, heartbeats, read_lag, lambda: champions.training, read_lag.partitions)


def detector(family: Family) -> Trainable:
    """An untrained detector of the family's kind and shape; it scales windows that streams' profiles do not."""
    import models

    (length, channels), how = family.detector_shape, family.detector
    scale = family.scale == "none"
    made = models.create(
        how.kind, length=length, channels=channels, seed=how.seed, scale=scale, device=how.device,
        **family.detector_options,
    )  # fmt: skip
    return cast("Trainable", made)


def normal_scores() -> NormalScores:
    """Where limits begin: from the clean ones among the scores of windows that were not learned from."""
    from models.artefacts.scores import ScoreSummary
    from models.contract import HELD_OUT
    from monitor.training.fit import NormalScores

    return NormalScores(HELD_OUT, ScoreSummary.of)


def load_detector(folder: Path) -> Scorer:
    """A trained detector. Raises ModelError where it is missing or damaged."""
    import models

    try:
        return models.load(folder)
    except models.ModelsError as error:
        raise ModelError(str(error)) from error


def library(settings: Settings, store: Store) -> ModelLibrary:
    """The models recorded in a store, with the folder of the settings."""
    from monitor.training.model_library import ModelLibrary

    return ModelLibrary(store.registry, settings.models, load_detector)
