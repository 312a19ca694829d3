"""Every error Watchkeeper raises on purpose.

MonitorError
├── SettingsError   the configuration cannot be used
├── RecordError     a file of labelled windows cannot be used
├── OutputError     a file cannot be written
├── SourceError     readings cannot be fetched
├── StoreError      SQL cannot be read or written
│   ├── FencedError another worker owns the partition now
│   │   └── StreamsChangedError  a command has changed streams that this worker holds
│   └── SchemaChangedError  another version has changed the tables meanwhile
├── NotifyError     a notification could not be delivered
├── NotJudgedError  the work is done, but too much of the input was not judged
├── ModelError      an artefact is missing, damaged or does not fit
│   └── MisfitError it was trained for other windows than the settings say now
└── ShapeError      arrays of the wrong shape: a mistake in code

A message says what happened, where, and what to do. The command line prints it without a traceback.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

NOT_ALL_JUDGED: Final = 6  # exit code of a command that finished, but could not read or judge part of its input


class MonitorError(Exception):
    """Root of the tree. `exit_code` is what the process returns when the error is not handled.

    A message is one line, except where it lists several `problems`, each of them a line. `logged`: it is an entry of
    the log already.
    """

    exit_code = 1
    logged = False

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class SettingsError(MonitorError):
    """The configuration cannot be used; the message lists every problem found, and so does `problems`."""

    exit_code = 2


class Problems(list[str]):
    """Everything that is wrong with the settings, found in several places and reported at once."""

    @contextmanager
    def noting(self, where: str = "") -> Iterator[None]:
        """Add the problems of a SettingsError, each behind `where`, instead of raising it."""
        try:
            yield
        except SettingsError as error:
            self += [where + problem for problem in error.problems]

    def refuse(self) -> None:
        """Raise SettingsError, unless none was found."""
        if self:
            raise SettingsError("\n".join(self), self)


class RecordError(MonitorError):
    """A file of labelled windows cannot be used."""

    exit_code = 2


class OutputError(MonitorError):
    """A file that was asked for cannot be written: no space, quota used up, reader gone. It is as it was."""


class SourceError(MonitorError):
    """Readings cannot be fetched: broker unreachable, topic missing, records lost to retention."""

    exit_code = 3


class StoreError(MonitorError):
    """SQL cannot be read or written: unreachable, locked, full, or of another schema version.

    `transient` means that the same call may succeed later without a change here.
    """

    exit_code = 4

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class FencedError(StoreError):
    """A newer owner holds the partition. Nothing was written; the worker must step down."""


class StreamsChangedError(FencedError):
    """A command has changed streams since this worker loaded them; its partitions are its own. Nothing was written."""


class SchemaChangedError(StoreError):
    """The schema of the database is another one than when it was opened. Nothing was written; the process must end."""


class NotifyError(MonitorError):
    """A notification was not delivered. The dispatcher records the attempt and tries again.

    `retry_after` is how many seconds the receiver asked to be left alone; `permanent` means that no try can succeed;
    `refused` that the receiver works but will not have this message: a few more tries are enough.
    """

    exit_code = 7

    def __init__(
        self, message: str, *, retry_after: float | None = None, permanent: bool = False, refused: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.permanent = permanent
        self.refused = refused


class ModelError(MonitorError):
    """An artefact is missing, damaged, refused, or made for other windows."""

    exit_code = 5


class MisfitError(ModelError):
    """A sound artefact that was trained for windows of another length or other channels: a new training replaces it."""


class NotJudgedError(MonitorError):
    """Everything was done and written, but too much of the input was not judged; the message says what and why."""

    exit_code = NOT_ALL_JUDGED


class ShapeError(MonitorError):
    """Arrays do not have the shape the contract asks for."""
