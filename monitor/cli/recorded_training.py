"""A training that a command runs, as a row: begun, and ended however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from typing import NamedTuple

from monitor.errors import MonitorError
from monitor.ports.models import MONITOR, ModelRow
from monitor.ports.store import Store
from monitor.ports.trainings import Progress, Request


class Made(NamedTuple):
    """A model, and why it is not to take over; "" = it has."""

    model: ModelRow
    refused: str = ""


@dataclass(slots=True)
class Recorded:
    """What a training is to leave behind."""

    made: Made | None = None

    def became(self, made: Made) -> None:
        """It made this."""
        self.made = made


@contextmanager
def recorded(store: Store, family: str, request: int | None) -> Iterator[Recorded]:
    """The training `request`, or one that is asked for here, by the command.

    One that runs already is left to its worker.
    """
    id_ = request if request is not None else _begun(store, family)
    found, outcome = Recorded(), "it was stopped"
    try:
        yield found
    except MonitorError as error:
        outcome = str(error)
        raise
    finally:
        if id_ is not None:
            if found.made is None:
                store.trainings.end(id_, Progress.FAILED, outcome=outcome)
            else:
                progress = Progress.REFUSED if found.made.refused else Progress.PROMOTED
                store.trainings.end(id_, progress, found.made.model.id, found.made.refused)


def _begun(store: Store, family: str) -> int | None:
    """The id of a training that this command runs; None where a worker runs one."""
    first = store.registry.champion(family) is None
    asked = Request(family=family, cause="first" if first else "command", by=MONITOR if first else _user())
    training = store.trainings.ask(asked)
    return training.id if store.trainings.claim(training.id) else None


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a container may run as a number
        return "command line"
