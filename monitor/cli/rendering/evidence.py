"""Why an alert opened, for a terminal of any width: the newest readings in full, older ones compressed, the causes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text

from monitor.cli.rendering.moments import Moments
from monitor.cli.rendering.sparkline import Scale
from monitor.notify.causes import HOURLY, causes, compared
from monitor.records.alerts import Evidence
from monitor.records.component_words import in_words
from monitor.records.escapes import visible

_LABEL = len("  reconstruction  ")
_NEWEST = 12  # characters behind the bars for the newest reading's number
_WIDEST = 160  # bars are no easier to read on a terminal that is wider


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """The window's values, its reconstruction if there is one, each reading's share of the score, and the causes."""

    evidence: Evidence
    moments: Moments

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, as wide as `options` allow."""
        e, m = self.evidence, self.moments
        count = len(e.values)
        yield Text(f"Evidence: {count} readings from {m.text(e.start)} to {m.text(e.end)} ({m.label})", style="bold")
        scale = Scale(count, min(options.max_width, _WIDEST) - _LABEL - _NEWEST)
        for channel in range(len(e.channels)):
            yield from self._channel(channel, scale)
        if not scale.whole:
            yield _indented(
                f"Right of │ each of the newest {scale.newest} readings has a bar; left of it {scale.step} older ones "
                "share one, that of the reading farthest from the middle."
            )
        if known := _known(e):
            yield _indented(f"Known of it: {known}")
        yield from self._parts()
        yield from self._causes()

    def _channel(self, channel: int, scale: Scale) -> Iterator[Text]:
        e = self.evidence
        values, share = e.values[:, channel].tolist(), e.contribution[:, channel].tolist()
        expected = [] if e.reconstruction is None else e.reconstruction[:, channel].tolist()
        known = [value for value in (*values, *expected) if math.isfinite(value)] or [0.0]
        low, high, top = min(known), max(known), max((s for s in share if math.isfinite(s)), default=0.0)
        name = visible(e.channels[channel])
        yield Text(f"{name}: {low:.6g} to {high:.6g}, {_percent(sum(share))} of the score")
        yield _row("values", scale.draw(values, low, high), _number(values[-1]))
        if expected:
            yield _row("reconstruction", scale.draw(expected, low, high), _number(expected[-1]))
        if (usual := _usual(e, channel)) is not None:
            yield Text(f"  {'usually':<{_LABEL - 2}}{usual}", no_wrap=True)
        yield _row("contribution", scale.draw(share, 0.0, top), _percent(share[-1]))

    def _parts(self) -> Iterator[Any]:
        """What the score is made of, the largest share first."""
        if self.evidence.components:
            yield Text("Parts of the score", style="bold")
        for name, share in sorted(self.evidence.components.items(), key=lambda part: -part[1]):
            yield _indented(f"{share:.0%}: {visible(in_words(name))}")

    def _causes(self) -> Iterator[Any]:
        found = causes(self.evidence)
        if found:
            yield Text("Causes, largest share of the score first", style="bold")
        for cause in found:
            yield _indented(
                f"{cause.share:.0%}: {visible(cause.channel)} at {self.moments.text(cause.time)} is "
                f"{_number(cause.value)}{compared(cause)}"
            )


def _usual(evidence: Evidence, channel: int) -> str | None:
    """The band of the newest reading, in words; None where it is not known."""
    if evidence.band is None or math.isnan(evidence.band.low[-1, channel]):
        return None
    low, high = (_number(float(side[-1, channel])) for side in evidence.band)
    return f"{low} to {high}" + (" at the hour of the newest reading" if HOURLY in evidence.components else "")


def _row(label: str, drawn: str, newest: str) -> Text:
    return Text(f"  {label:<{_LABEL - 2}}{drawn}  {newest}", no_wrap=True)


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2), expand=False)


def _number(value: float) -> str:
    return f"{value:.5g}" if math.isfinite(value) else "missing"


def _percent(share: float) -> str:
    return f"{share:.0%}" if math.isfinite(share) else ""


def _known(evidence: Evidence) -> str:
    """Facts about the window."""
    return ", ".join(f"{visible(name)} {value:.3g}" for name, value in evidence.facts.items())
