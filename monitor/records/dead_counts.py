"""How many records could not be read, by reason, with an example of each: what a command says at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monitor.records.batches import DeadLetter

A_FEW = 0.03  # share of the records: more that cannot be read are a failure of the command that was to read them


class DeadCounts:
    """Counts dead letters without keeping them; the first of each reason is the example."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Count what could not be read."""
        for letter in letters:
            self.note(letter.reason, letter.error)

    def note(self, reason: str, example: str, count: int = 1) -> None:
        """Count so many of a reason."""
        self.reasons[reason] += count
        self.examples.setdefault(reason, example)

    @property
    def total(self) -> int:
        """All of them."""
        return self.reasons.total()

    def many(self, records: int) -> bool:
        """Whether so many of `records` could not be read that the result cannot be trusted."""
        return self.total > A_FEW * records

    def lines(self) -> list[str]:
        """One for each reason, the most frequent first."""
        return [
            f"{count:,} {reason}, for example {self.examples[reason]}" for reason, count in self.reasons.most_common()
        ]
