"""The seam to the trainings of a family: asked for by the schedule, a drift or a person, run by one of its workers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from monitor.ports.models import MONITOR

LEASE_NS = 120 * 10**9  # a training whose worker was not seen for so long is free for another one


class Progress(StrEnum):
    """What has become of a training."""

    WAITING = "waiting"
    RUNNING = "running"
    PROMOTED = "promoted"  # its model is the champion, or was
    REFUSED = "refused"  # its model stays a candidate
    FAILED = "failed"  # there is no model


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """That a family is to be trained again: why, and who says so. `readings`: of a stream so far, None = not known."""

    family: str
    cause: str
    by: str = MONITOR
    note: str = ""
    readings: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A request, and what became of it. Times are wall clock, ns; `free`: it waits, or its worker has died."""

    id: int
    request: Request
    at: int
    progress: Progress
    free: bool
    ended: int | None = None
    model: str = ""  # its id, "" where there is none
    outcome: str = ""  # why it was refused or has failed


class Trainings(Protocol):
    """Every training of every family but the first. Each method may block on SQL and may raise StoreError.

    It belongs to a store and is called on the thread of that store, never while a commit is in flight.
    """

    def ask(self, request: Request) -> Training:
        """Ask for a training; where one waits or runs already, that one is returned and nothing changes."""
        ...

    def newest(self, families: Collection[str]) -> Mapping[str, Training]:
        """The newest training of each of these families that has one. Asked every few seconds: cheap."""
        ...

    def claim(self, id_: int, readings: int | None = None) -> bool:
        """Begin a training that is free; false where another worker was quicker.

        `readings` is how many a stream has, where that was not known when it was asked for.
        """
        ...

    def renew(self, id_: int) -> None:
        """Its worker lives; called more often than every `LEASE_NS` while it runs."""
        ...

    def end(self, id_: int, progress: Progress, model: str = "", outcome: str = "") -> None:
        """It has ended. One that has ended before stays as it is."""
        ...

    def measured(self, id_: int, readings: int) -> None:
        """Note how many readings a stream had, where that was not known; else nothing changes."""
        ...

    def recent(self, family: str, limit: int) -> list[Training]:
        """The newest trainings of a family, newest first."""
        ...
