"""The kind of detector that an option names."""

from __future__ import annotations

from monitor.errors import SettingsError


def detector_kind(given: str | None, option: str = "--detector") -> str:
    """The kind, dense by default. Raises SettingsError, which names the option, for one that there is not."""
    from models import DETECTORS

    if given is not None and given not in DETECTORS:
        from monitor.config.unknown_names import nearest

        near = nearest(given.lower(), [*DETECTORS]) or f"; choose one of {', '.join(DETECTORS)}"
        raise SettingsError(f"{option}: {given!r} is not known{near} (`watchkeeper detectors` says what each is for)")
    return given or "dense"
