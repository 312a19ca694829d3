"""A scorer whose failures name its model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from monitor.errors import ModelError
from monitor.ports.scorer import Scorer
from monitor.records.batches import Float32

T = TypeVar("T")


class NamedScorer:
    """Scores as the scorer inside does. Raises ModelError where that raises anything, or gives a wrong shape."""

    def __init__(self, scorer: Scorer, name: str) -> None:
        self._scorer, self._name = scorer, name

    def score(self, windows: Float32) -> Float32:
        """See `Scorer`."""
        found: Float32 = self._call(self._scorer.score, windows)
        return self._checked(found, windows, windows.shape[:1])

    def reconstruct(self, windows: Float32) -> Float32 | None:
        """See `Scorer`."""
        found = self._call(self._scorer.reconstruct, windows)
        return None if found is None else self._checked(found, windows, windows.shape)

    def explain(self, windows: Float32) -> Float32 | None:
        """See `Scorer`."""
        found = self._call(self._scorer.explain, windows)
        return None if found is None else self._checked(found, windows, windows.shape)

    def _call(self, method: Callable[[Float32], T], windows: Float32) -> T:
        try:
            return method(windows)
        except Exception as error:  # the libraries that score have no common root of errors
            raise ModelError(f"{self._name} fails on {self._given(windows)}: {error!r}; {_ADVICE}") from error

    def _checked(self, found: Float32, windows: Float32, shape: tuple[int, ...]) -> Float32:
        if found.shape != shape:
            raise ModelError(f"{self._name} gives shape {found.shape} for {self._given(windows)}; {_ADVICE}")
        return found

    @staticmethod
    def _given(windows: Float32) -> str:
        return f"windows of shape {windows.shape}"


_ADVICE = "nothing of it is written; train the family again, or promote another model"
