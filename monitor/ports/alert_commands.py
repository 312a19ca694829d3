"""The seam for people: commands about alerts, merged with what workers report in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from monitor.records.alerts import Alert, Command


@dataclass(frozen=True, slots=True)
class Answer:
    """The alert as it is now; `refused` says why the command changed nothing, "" = it was carried out."""

    alert: Alert
    refused: str = ""


class AlertCommands(Protocol):
    """Where people's commands go. Any thread may use it, beside any number of workers."""

    def give(self, command: Command) -> Answer:
        """Merge a command with the stored alert and keep it as a row, carried out or refused.

        Called by the command line and the web, never by a worker. Blocks while a worker commits facts about the same
        alert, on SQLite while anything is written. A repeat of an id changes nothing and gets the first answer, so that
        a call whose outcome is in doubt may be made again. Raises SettingsError for an alert that does not exist, and
        StoreError when SQL cannot be written; nothing is kept then.
        """
        ...

    def close(self) -> None:
        """Give connections back. May be called twice; no call may follow."""
        ...
