"""Schemas by id, fetched beside the thread that reads: what is known, what was refused, and what is still awaited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from threading import Condition, Thread
from typing import Generic, TypeVar

import structlog

from monitor.errors import SourceError
from monitor.sources.faults import Fault
from monitor.sources.formats.registry import AwayError, UnknownSchemaError

PATIENCE_S = 2.0  # of one `fetch`
MOST = 1_000  # look-ups that one `fetch` may begin
AT_ONCE = 8  # look-ups
REFUSED_S = 60.0  # for which a refusal is remembered
_REFUSALS, _READERS = 10_000, 1_000  # that are remembered
_PAUSES_S = (0.5, 30.0)  # after the first look-up that fails, doubled up to the last one
_REPEAT_S = 30.0  # until it is logged again that schemas are awaited

_T = TypeVar("_T")
log = structlog.get_logger()


class Lookups(Generic[_T]):
    """Looks schemas up with `open`, which may block and raise anything, on threads beside the caller's.

    An id that the registry does not know, or whose schema cannot be used, is refused for `REFUSED_S`: a new one is
    found soon after it was registered. While the registry is away, one look-up at a time tries again, with growing
    pauses; what is known is read on. `clock` gives monotonic seconds. The methods belong to one thread.
    """

    def __init__(self, open: Callable[[int], _T], clock: Callable[[], float] = time.monotonic) -> None:  # noqa: A002
        self._open, self._clock = open, clock
        self._found: dict[int, _T] = {}
        self._refused: dict[int, tuple[Fault, float]] = {}  # and until when
        self._failed: dict[int, float] = {}  # when, by the clock
        self._asked: set[int] = set()
        self._answers: dict[int, _T | Exception] = {}  # that came since the last look
        self._came = Condition()  # guards `_asked` and `_answers`
        self._tries, self._since, self._next, self._pause = 0, 0.0, 0.0, 0.0
        self._logged = -_REPEAT_S
        self.error: AwayError | None = None  # of the newest look-up while the registry is away

    @property
    def tries(self) -> int:
        """Look-ups that failed since the registry is away."""
        return self._tries

    def get(self, number: int) -> _T | Fault | None:
        """What `open` made of this schema, why it is refused, or None where that is not known."""
        found = self._found.get(number)
        if found is not None:
            return found
        refused = self._refused.get(number)
        return refused[0] if refused is not None and self._clock() < refused[1] else None

    def fetch(self, numbers: Iterable[int]) -> None:
        """Look up those that are not known, in this order, and wait for them until `PATIENCE_S` are over.

        Does not wait for earlier look-ups. Raises SourceError where the registry refuses to answer.
        """
        end = self._clock() + PATIENCE_S
        if self.error is not None:  # one schema that always fails must not hold up the others
            numbers = sorted(dict.fromkeys(numbers), key=lambda number: self._failed.get(number, 0.0))
        wanted = islice((number for number in numbers if self.get(number) is None), MOST)
        mine: set[int] = set()
        with self._came:
            self._begin(wanted, mine)
            while mine & self._asked and (left := end - self._clock()) > 0:
                self._came.wait(left)
                self._begin(wanted, mine)
            if self._asked and self.error is None:
                self._note_waiting()

    def _begin(self, wanted: Iterator[int], mine: set[int]) -> None:
        """Sort in what came, and begin as many look-ups as may run; adds their ids to `mine`."""
        self._take()
        while len(self._asked) < (1 if self.error else AT_ONCE) and self._clock() >= self._next:
            number = next((number for number in wanted if number not in self._asked), None)
            if number is None:
                break
            self._asked.add(number)
            mine.add(number)
            Thread(target=self._look_up, args=(number,), name="schema", daemon=True).start()

    def _look_up(self, number: int) -> None:
        try:
            found: _T | Exception = self._open(number)
        except Exception as error:  # a foreign parser may raise anything
            found = error
        with self._came:
            self._answers[number] = found
            self._asked.discard(number)
            self._came.notify()

    def _take(self) -> None:
        """Sort in the answers that came. Raises SourceError."""
        answers, self._answers = self._answers, {}
        for number, found in answers.items():
            self._failed.pop(number, None)
            if isinstance(found, AwayError):
                self._failed[number] = self._clock()
                _trim(self._failed, _REFUSALS)
                self._fail(found)
                continue
            if isinstance(found, SourceError):
                raise found
            self._recover()
            if isinstance(found, UnknownSchemaError):
                self._refuse(number, Fault("unknown-schema", str(found)))
            elif isinstance(found, Exception):
                self._refuse(number, Fault("bad-schema", f"schema {number} cannot be used: {short(found)}"))
            else:
                self._found[number] = found
                _trim(self._found, _READERS)

    def _refuse(self, number: int, fault: Fault) -> None:
        self._refused.pop(number, None)  # the newest come last
        self._refused[number] = fault, self._clock() + REFUSED_S
        _trim(self._refused, _REFUSALS)

    def _fail(self, error: AwayError) -> None:
        now = self._clock()
        if self.error is None:
            self._since, self._pause = now, 0.0
            log.error("schema_registry_away", error=str(error), note="still trying; what needs it waits")
        self.error, self._tries = error, self._tries + 1
        if now >= self._next:
            first, last = _PAUSES_S
            self._pause = min(last, max(first, 2 * self._pause))
            self._next = now + self._pause

    def _recover(self) -> None:
        if self.error is not None:
            after = round(self._clock() - self._since, 1)
            log.info("schema_registry_back", tries=self._tries, after_s=after)
            self.error, self._tries, self._next = None, 0, 0.0

    def _note_waiting(self) -> None:
        if (now := self._clock()) - self._logged >= _REPEAT_S:
            self._logged = now
            log.warning(
                "schemas_awaited", schemas=sorted(self._asked), note="their records wait, and those behind them"
            )


def short(error: Exception) -> str:
    """What an error of a foreign library says, in one line that fits a table."""
    return " ".join((str(error) or type(error).__name__)[:300].split())


def _trim(
    known: dict[int, float] | dict[int, object] | dict[int, _T] | dict[int, tuple[Fault, float]], most: int
) -> None:
    """Forget the oldest."""
    while len(known) > most:
        del known[next(iter(known))]
