"""What no model has learned of the streams that it knows, for the log."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile

log = structlog.get_logger()


def log_left_out(pipeline: Pipeline, profiles: Mapping[str, Profile]) -> None:
    """Name the streams of which channels were not learned, or readings, being absurdly far from all others."""
    channels = pipeline.family.channels
    unlearned = {
        name: [channel for channel, learned in zip(channels, profile.learned.tolist(), strict=True) if not learned]
        for name, profile in profiles.items()
        if not profile.learned.all()
    }
    if unlearned:
        first, names = next(iter(unlearned.items()))
        log.warning("channels_not_learned", family=pipeline.name, streams=len(unlearned), stream=first, channels=names)
    left_out = {name: profile.garbage for name, profile in profiles.items() if profile.garbage}
    if left_out:
        worst = max(left_out, key=left_out.__getitem__)
        count = sum(left_out.values())
        log.warning("garbage_not_learned", family=pipeline.name, readings=count, streams=len(left_out), most_in=worst)
