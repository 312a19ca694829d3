"""Settings of some streams of a family, chosen by a pattern of their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from pydantic import Field

from monitor.config.health import Patience
from monitor.config.sections import Section


class Override(Section):
    """What is different for the streams whose names match `streams`, as shells match names: `*`, `?`, `[a-c]`.

    `limit` times the family's limit; `silent_after` in ns, 0 = never; `off`: not judged at all. None = nothing is said.
    """

    streams: str
    limit: float | None = Field(default=None, gt=0)
    silent_after: Patience | None = None
    off: bool | None = None

    def matches(self, stream: str) -> bool:
        """Whether it is meant for a stream; upper and lower case differ."""
        return fnmatchcase(stream, self.streams)


def override_problems(overrides: Sequence[Override]) -> Iterator[str]:
    """What is wrong with them, in sentences that begin with the key; they are counted from 1."""
    for number, override in enumerate(overrides, 1):
        if not override.streams.strip():
            yield f'overrides.{number}.streams: the pattern is empty; write a stream or a pattern such as "m-1*"'
        if override.limit is override.silent_after is override.off is None:
            yield f"overrides.{number}: nothing is said; add limit, silent_after or off, or leave it out"
