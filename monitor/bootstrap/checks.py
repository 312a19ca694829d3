"""What keeps a worker from starting, found before it connects to anything."""

from __future__ import annotations

import re
from functools import partial

from monitor.bootstrap.channels import notifiers
from monitor.bootstrap.parts import decoders, pipelines
from monitor.config.references import resolve
from monitor.config.settings import Settings
from monitor.config.unknown_names import nearest
from monitor.errors import Problems
from monitor.records.streams import StreamIndex

_PLAIN_FILE = re.compile(r"sqlite:///[\w/. -]*\w[\w/. -]*")  # certainly a file: SQLAlchemy takes long to import


def check(settings: Settings, *, replay: bool = False) -> None:
    """Make what `run` makes before it connects. Raises SettingsError with everything that keeps it from starting.

    What `train`, `publish` and `dead retry` make besides is made too: a file that passes can be used by all of them.

    A `replay` may read a file, whatever the messages are: it opens its source before it begins.
    """
    reading = partial(decoders, indexes={name: StreamIndex() for name in settings.families}), check_kafka_options
    problems = Problems()
    for make in (check_store, check_detectors, pipelines, notifiers, *(() if replay else reading)):
        with problems.noting():
            make(settings)
    settings.refuse(problems)


def check_store(settings: Settings) -> None:
    """Raise SettingsError for a database URL that no driver takes. Connects to none."""
    if not _PLAIN_FILE.fullmatch(settings.store.url):
        resolve("monitor.store.url:parse_url")(settings.store.url)


def check_kafka_options(settings: Settings) -> None:
    """Raise SettingsError for options that the Kafka client refuses. Connects to no broker."""
    if settings.kafka.options:
        resolve("monitor.sources.kafka_reader:check_options")(settings.kafka)


def check_detectors(settings: Settings) -> None:
    """Raise SettingsError where a family's detector can never be made."""
    import models

    problems = Problems()
    for name, family in settings.families.items():
        where, kind, options = f"families.{name}.detector", family.detector.kind, family.detector_options
        if kind not in models.DETECTORS:
            hint = nearest(kind, [*models.DETECTORS]) or f"; known: {', '.join(models.DETECTORS)}"
            problems.append(f"{where}.kind: {kind!r} is not known{hint}")
            continue
        if family.conditions and kind not in (takes := _with_conditions()):
            problems.append(
                f"families.{name}.window.derived: the detector {kind} judges by no conditions; leave it out, or take "
                f"one of {', '.join(takes)}"
            )
            continue
        try:
            length, channels = family.detector_shape
            models.check(kind, options, length=length, channels=channels)
        except models.ConfigError as error:
            problems.append(f"{where}.options: {error}")
    settings.refuse(problems)


def _with_conditions() -> list[str]:
    """The kinds of detectors that judge channels by others: those with the option `given`."""
    from models.registry import DETECTORS, option_classes

    return [kind for kind in DETECTORS if any("given" in each.__dataclass_fields__ for each in option_classes(kind))]
