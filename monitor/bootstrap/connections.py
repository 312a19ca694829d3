"""What a worker will connect to, tried before it does: a line each, bounded in time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from monitor.bootstrap.channels import notifiers
from monitor.bootstrap.parts import library, schema_registry
from monitor.config.addresses import EMBEDDED
from monitor.config.formats import REGISTRY
from monitor.config.notifiers import KafkaNotifier, Posting
from monitor.config.services import Kafka
from monitor.config.settings import Settings
from monitor.errors import MisfitError, MonitorError, NotifyError, SettingsError, StoreError

PATIENCE_S = 15.0  # for one line


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was tried, whether it works, and what was seen or what to do.

    `exit_code` is that of the error with which `run` would end, 0 where it would go on; with `warns` not as it should.
    """

    what: str
    says: str
    exit_code: int = 0
    warns: bool = False

    @property
    def ok(self) -> bool:
        """It works as it should."""
        return self.exit_code == 0 and not self.warns


Probe = Callable[[], str]  # what was seen; raises MonitorError


def try_connections(settings: Settings) -> Iterator[Finding]:
    """Try everything that the settings connect to, a finding each."""
    broker: Finding | None = None
    for what, probe in _kafka(settings):
        if broker is None or broker.ok:
            found = _tried(what, probe)
            broker = broker or found
            yield found
        else:
            yield Finding(what, "not tried, as no broker answers", broker.exit_code)
    for what, probe in (*_registry(settings), *_channels(settings), *_store(settings)):
        yield _tried(what, probe)


def _tried(what: str, probe: Probe) -> Finding:
    """The finding of a probe; one that does not answer in time is left behind on its thread."""
    answer: Future[str] = Future()

    def run() -> None:
        try:
            answer.set_result(probe())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=run, name="probe", daemon=True).start()
    try:
        return Finding(what, answer.result(PATIENCE_S))
    except MisfitError as error:
        return Finding(
            what, f"{error}; `run` trains another one, and a simple statistic covers it until then", warns=True
        )
    except MonitorError as error:
        return Finding(what, str(error), error.exit_code)
    except TimeoutError:
        return Finding(
            what, f"no answer within {PATIENCE_S:g} s; is it running, and does a firewall let it through?", 1
        )


def _kafka(settings: Settings) -> Iterator[tuple[str, Probe]]:
    kafka = settings.kafka
    if kafka.bootstrap_servers == "embedded":
        yield "broker", lambda: "embedded: it starts with the worker, and forgets everything at its end"
        return
    from monitor.sources import kafka_access

    yield f"broker {kafka.bootstrap_servers}", partial(kafka_access.broker, kafka)
    for name, family in settings.families.items():
        yield f"topic {family.topic} of families.{name}", partial(kafka_access.topic, kafka, family.topic)
    yield f"consumer group {kafka.group}", partial(kafka_access.group, kafka)


def _registry(settings: Settings) -> Iterator[tuple[str, Probe]]:
    if any(family.format.kind in REGISTRY for family in settings.families.values()):
        yield f"schema registry {settings.schema_registry.shown_url}", partial(_answers, settings)


def _answers(settings: Settings) -> str:
    return schema_registry(settings).check()


def _channels(settings: Settings) -> Iterator[tuple[str, Probe]]:
    for name, how in settings.notify.items():
        yield f"notify.{name}", partial(_channel, settings, name)
        if isinstance(how, Posting):
            yield f"notify.{name}: {urlsplit(how.url).hostname}", partial(_host, how)
        elif isinstance(how, KafkaNotifier):
            yield f"notify.{name}: topic {how.topic}", partial(_topic, settings, how)


def _channel(settings: Settings, name: str) -> str:
    notifiers(settings.model_copy(update={"notify": {name: settings.notify[name]}}))
    return "it can be used, and its secrets are there"


def _topic(settings: Settings, how: KafkaNotifier) -> str:
    """Whether the broker of the channel answers, and has its topic; nothing is sent."""
    from monitor.sources import kafka_access

    known = how.connected(settings.kafka)
    if known.bootstrap_servers == EMBEDDED:
        return "the embedded broker makes it when it is named"
    return kafka_access.target(Kafka(bootstrap_servers=known.bootstrap_servers, options=known.options), how.topic)


def _host(how: Posting) -> str:
    """Resolved and checked as before each post; nothing is sent."""
    from monitor.notify.hosts import Lookup
    from monitor.notify.ssrf_guard import permitted

    url = urlsplit(how.url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    try:
        return "is " + ", ".join(permitted(host, port, how.allow_hosts, Lookup().within(how.timeout / 1e9)))
    except NotifyError as error:
        raise SettingsError(str(error)) from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{host} cannot be resolved: {error}; correct the url, or the name service") from None


def _store(settings: Settings) -> Iterator[tuple[str, Probe]]:
    yield f"database {settings.store.shown_url}", partial(_schema, settings)
    for name in settings.families:
        yield f"model of families.{name}", partial(_model, settings, name)


def _schema(settings: Settings) -> str:
    from monitor.store import migrations
    from monitor.store.open import open_database

    fresh = _new_file(settings)
    if fresh is not None:
        if not os.access(fresh.parent, os.W_OK | os.X_OK):
            raise StoreError(f"{fresh} cannot be made; make its folder, and let this user write there")
        return "no such file yet; the first run makes it"
    database = open_database(settings.store.url)
    try:
        if database.path is not None and not os.access(database.path, os.W_OK):
            raise StoreError(f"{database.path} is read-only; let this user write it and its folder")
    finally:
        database.close()
    return f"its schema is {migrations.head()}, as it should be"


def _model(settings: Settings, name: str) -> str:
    """Load the champion, as a worker does; a copy may be fetched into the folder `models`."""
    from monitor.store.sql import open_store
    from monitor.training.model_library import other_detector

    champion = None
    if _new_file(settings) is None:
        store = open_store(settings.store.url, migrate=False)
        try:
            models = library(settings, store)
            champion = models.registry.champion(name)
            if champion is not None:
                models.load(champion, settings.families[name])
        finally:
            store.close()
    if champion is None:
        return "none yet: a simple statistic covers its streams until one is trained"
    other = other_detector(champion, settings.families[name])
    if other:
        return f"{champion.id[:16]} is of another detector, {other}; `run` trains a new one, and it scores until then"
    return f"{champion.id[:16]} fits the family"


def _new_file(settings: Settings) -> Path | None:
    """The SQLite file that the first run will make; None where there is a database."""
    scheme, _, path = settings.store.url.partition(":///")
    return Path(path) if scheme == "sqlite" and not Path(path).exists() else None
