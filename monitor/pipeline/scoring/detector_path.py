"""Windows to scores by the family's model, or by cold start for the streams that have none yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import UUID

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring import partial_windows
from monitor.pipeline.scoring.conditions import Conditioned, Conditions
from monitor.pipeline.scoring.explanation import explain, without_channels
from monitor.pipeline.scoring.partial_windows import Units
from monitor.pipeline.scoring.stream_scaling import Profile, Profiles
from monitor.pipeline.scoring.usual_band import Usual
from monitor.pipeline.state.codec import Codes, Section, signature
from monitor.ports.scorer import Scorer
from monitor.records.alerts import Evidence
from monitor.records.batches import Bool, Float32, Int32, Windows

PIECE = 2048  # windows that are scaled and scored at once, while they are in the processor's cache
ColdStart = Callable[[Float32], Float32]  # windows (m, length, channels) to scores (m,)


class DetectorPath:
    """The model of one family, if it has one, and which of its streams are enrolled: scaled and scored by it."""

    def __init__(self, family: Family) -> None:
        self._channels, self._scale = family.channels, family.scale
        self._alike = not (family.window.rules.whole or family.window.rules.found)  # all places of a window are alike
        self._conditions = Conditions(family)
        self.profiles = Profiles(len(family.channels))
        self.section = Section(
            self.profiles.columns, signature(len(family.channels), family.scale), self.profiles.earlier
        )
        self.model = ""
        self.scorer: Scorer | None = None
        self.known: Mapping[str, Profile] = {}  # the profiles that came with the model

    def adopt(self, model: str, scorer: Scorer, known: Mapping[str, Profile]) -> None:
        """Score with this model from now on, once streams are enrolled."""
        self.model, self.scorer, self.known = model, scorer, known

    def enrol(self, code: int, profile: Profile) -> None:
        """Score this stream by the model from now on."""
        self.profiles.put(code, self._mark, profile)

    def withdraw(self, codes: Codes) -> None:
        """Score these streams by cold start from now on."""
        self.profiles.columns["model"][codes] = b""

    def resume(self, codes: Codes) -> Bool:
        """After their states were loaded: withdraw those enrolled in another model; returns which are not in this one.

        The count of readings that were kept of a stream stays: they are in the store, whichever model comes next.
        """
        other: Bool = np.asarray(self.profiles.columns["model"][codes] != self._mark)
        self.withdraw(codes[other])
        return other

    def enrolled(self, stream: Int32) -> Bool:
        """Whether the model scores each of these streams."""
        return np.asarray(self.profiles.columns["model"][stream] != b"")

    def score(self, windows: Windows, enrolled: Bool, cold_start: ColdStart) -> Float32:
        """Score of each window (m,)."""
        if self.scorer is not None and enrolled.all():
            return self._by_model(self.scorer, windows)
        score = np.empty(len(windows), np.float32)
        score[~enrolled] = cold_start(windows.values[~enrolled])
        if self.scorer is not None and enrolled.any():
            score[enrolled] = self._by_model(self.scorer, windows.take(enrolled))
        return score

    def explain(self, alert: UUID, window: Windows, facts: Mapping[str, float]) -> Evidence:
        """Why the window (one row) opened the alert."""
        scorer = self.scorer if self.enrolled(window.stream).all() else None
        profiles = None if self._scale == "none" else self.profiles
        seen, lacks = window, np.zeros(len(self._channels), bool)
        if scorer is not None and np.isnan((units := self._scaled(window)).windows).any():
            filled, _, (lacks,) = partial_windows.mask(scorer, units)
            filled, lacks = filled[:, :, : len(self._channels)], lacks[: len(self._channels)]
            seen = replace(window, values=filled if profiles is None else profiles.undo(window.stream, filled))
        if scorer is not None and self._conditions.count:
            scorer = Conditioned(scorer, self._conditions, window.end)
        found = explain(alert, seen, self._channels, scorer, profiles, facts)
        return without_channels(found, window.values[0], lacks) if lacks.any() else found

    def usual(self, code: int) -> Usual | None:
        """Where the readings of the stream lay while it was learned; None without a model, of messages and beats."""
        if not self._alike or not self.enrolled(np.array([code], np.int32)).all():
            return None
        return Usual(self.profiles.columns["center"][code], self.profiles.columns["scale"][code])

    def _by_model(self, scorer: Scorer, windows: Windows) -> Float32:
        """Score of each window (m,)."""
        score = np.empty(len(windows), np.float32)
        for begin in range(0, len(windows), PIECE):
            part = slice(begin, begin + PIECE)
            score[part] = partial_windows.score(scorer, self._scaled(windows.take(part)))
        return score

    @property
    def _mark(self) -> bytes:
        return self.model[:8].encode()

    def _scaled(self, windows: Windows) -> Units:
        """The windows as the detector sees them, with what is usual of their streams."""
        return self._conditions.units(self._in_units(windows), windows.end)

    def _in_units(self, windows: Windows) -> Units:
        """The same without conditions."""
        columns, stream = self.profiles.columns, windows.stream
        center, scale, usual = columns["center"][stream], columns["scale"][stream], columns["usual"][stream]
        if self._scale != "none":
            none = np.zeros_like(center)
            return Units(self.profiles.apply(stream, windows.values), none, none + 1, usual)
        unlearned = np.isnan(center)
        if not unlearned.any():
            return Units(windows.values, center, scale, usual)
        values = np.where(unlearned[:, None], np.float32(np.nan), windows.values)
        return Units(values, np.where(unlearned, 0, center), np.where(unlearned, 1, scale), usual)
