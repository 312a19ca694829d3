"""What the demo watches: machines and hearts, each first healthy, to learn from, and then with faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from monitor.simulator.plant import HOUR, MINUTE, Batch, Plant
from monitor.simulator.truth import Fault

TEMPERATURE, ECG = "temperature", "ecg"  # topics, and the families that watch them
BEAT = 70  # numbers of a beat: 100 a second
PARTS = 100  # in which each part is published, machines and hearts alternating


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated. The embedded broker keeps about 5 MB per partition, and the replay needs all of it."""

    machines: int = 4
    healthy_hours: int = 48  # two days: the machines have a daily rhythm, and drift
    faulty_hours: int = 12
    patients: int = 2
    healthy_minutes: int = 10
    faulty_minutes: int = 10


FULL = Size()


class Plants:
    """The machines and the hearts of a seed."""

    def __init__(self, seed: int, size: Size = FULL) -> None:
        hours, minutes = size.healthy_hours + size.faulty_hours, size.healthy_minutes + size.faulty_minutes
        self._plants = (
            Plant(
                seed=seed, machines=size.machines, ecgs=0, duration=hours * HOUR,
                clean=size.healthy_hours / hours, temperature_topic=TEMPERATURE,
            ),
            Plant(
                seed=seed, machines=0, ecgs=size.patients, duration=minutes * MINUTE,
                clean=size.healthy_minutes / minutes, ecg_topic=ECG, beat_length=BEAT,
            ),
        )  # fmt: skip

    @property
    def messages(self) -> int:
        """Of the whole demo."""
        return sum(len(plant) for plant in self._plants)

    @property
    def truth(self) -> dict[str, list[Fault]]:
        """Every fault in order of time, by family."""
        return {plant.feeds[0].topic: plant.truth for plant in self._plants}

    def healthy(self) -> Iterator[Batch]:
        """The readings before the first fault can begin."""
        return _alternating([_parts(plant.feeds[0], 0, _cut(plant)) for plant in self._plants])

    def faulty(self) -> Iterator[Batch]:
        """The readings after that."""
        return _alternating([_parts(plant.feeds[0], _cut(plant), len(plant)) for plant in self._plants])


def _cut(plant: Plant) -> int:
    """The first row that may be faulty."""
    return int(plant.feeds[0].time.searchsorted(plant.start + int(plant.clean * plant.duration)))


def _parts(feed: Batch, start: int, stop: int) -> list[Batch]:
    step = -(-(stop - start) // PARTS)
    return [feed.rows(at, min(at + step, stop)) for at in range(start, stop, step)]


def _alternating(parts: list[list[Batch]]) -> Iterator[Batch]:
    return (part for part in chain.from_iterable(zip_longest(*parts)) if part is not None)
