"""The kind of detector that an option names."""

from __future__ import annotations

from monitor.errors import SettingsError


def detector_kind(given: str | None) -> str:
    """The kind, dense by default. Raises SettingsError for one that there is not."""
    from models import DETECTORS

    if given is not None and given not in DETECTORS:
        raise SettingsError(f"--detector: {given!r} is not known; choose one of {', '.join(DETECTORS)}")
    return given or "dense"
