"""A replay: the live worker's own loop over a bounded source, under another run name.

It reads and writes nothing of the live run but its models: positions, stream states, scores and alerts are its own.
Nothing is trained, and a family without a model is an error rather than a replay that finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.config.names import plain_name
from monitor.errors import ModelError, SettingsError
from monitor.pipeline.family import Pipeline
from monitor.ports.source import Assignments, Source
from monitor.ports.store import Store
from monitor.records.batches import LIVE, TopicPartition
from monitor.records.recorded_lives import RecordedLives, by_key
from monitor.training.model_manager import Refused
from monitor.worker.model_provider import Models

Connect = Callable[[Mapping[str, Pipeline], Assignments], Source]


@dataclass(frozen=True, slots=True)
class Replay:
    """What makes a run a replay: its name, and `connect`, which opens its source.

    `replace` deletes an earlier replay of that name; `notify` sends notifications to the configured channels.
    """

    name: str
    connect: Connect
    replace: bool = False
    notify: bool = False

    def __post_init__(self) -> None:
        """Raise SettingsError for the live run's name, and for one that cannot be shown or stored."""
        if not self.name.strip() or self.name.strip().casefold() == LIVE:
            raise SettingsError(f"--name {self.name!r}: a replay needs a name that is neither empty nor {LIVE!r}")
        try:
            plain_name(self.name)
        except ValueError as error:
            raise SettingsError(f"--name {error}") from None


def begin(replay: Replay, store: Store, pipelines: Mapping[str, Pipeline], models: Models) -> Models:
    """Check that the replay can be run, then free its name: what an earlier one found is not lost to a mistake.

    Returns the models.

    Raises ModelError for a family whose model is missing or cannot be loaded, SourceError where the source cannot be
    opened, and StoreError where the name is taken and not to be replaced.
    """
    if lacking := [family for family in pipelines if store.registry.champion(family) is None]:
        problems = [_without_a_model(family) for family in lacking]
        raise ModelError("\n".join(problems), problems)
    models.refresh(pipelines)
    replay.connect(pipelines, NoAssignments()).close()
    store.start_run(replay.name, replace=replay.replace)
    for family, pipeline in pipelines.items():
        pipeline.expected.add(store.decisions(LIVE, family))
    return models


def _without_a_model(family: str) -> str:
    return (
        f"family {family} has no model yet in store.url, and a replay, also that of a file, trains none: it judges "
        "with the champions that are there. Make one first: `watchkeeper run CONFIG` trains from what it reads, "
        f"`watchkeeper train CONFIG --family {family}` from what a run has collected, the same with --from TIME from "
        "the topic in Kafka. Where there is only a file, `watchkeeper score FILE` learns from its first rows"
    )


def recorded(store: Store, families: Iterable[str], replay: Replay | None) -> RecordedLives | None:
    """The lives of the live run's alerts, of which a replay repeats what people did; None for the live run."""
    if replay is None:
        return None
    return by_key(life for family in families for life in store.lives(LIVE, family))


class NoAssignments:
    """Takes no partition: for a source that is opened only to see that it can be."""

    def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Start at the beginning."""
        return {}

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Nothing to commit."""

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Nothing to drop."""


class Loading(Models, Protocol):
    """Models, and those that could not be loaded."""

    @property
    def refused(self) -> Mapping[str, Refused]:
        """By family."""
        ...


class Pinned:
    """The models as they were when the replay began: one that is promoted later changes nothing."""

    holding = False

    def __init__(self, models: Loading) -> None:
        self._models = models
        self._fetched = False

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Fetch the models, the first time. Raises ModelError where one cannot be loaded."""
        if self._fetched:
            self._models.refresh({})  # no other models, but what was kept of enrolled streams is packed
            return
        self._fetched = True
        self._models.refresh(pipelines)
        if self._models.refused:
            found = [refused.error for refused in self._models.refused.values()]
            raise ModelError("\n".join(found), found)

    def trains(self, family: str) -> bool:
        """Never."""
        return False

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        """Enrol streams that the model does not know, as the live run does."""
        self._models.request(pipeline, stream_ids)
