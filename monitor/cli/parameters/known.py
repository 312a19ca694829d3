"""Names that choose what a command shows: one that nothing knows is a mistake, and said to be one."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monitor.cli.parameters.database import CONFIG_FILE, store_url
from monitor.config.unknown_names import unknown
from monitor.errors import SettingsError
from monitor.records.scalars import LIVE

if TYPE_CHECKING:
    from monitor.config.settings import Settings


class Narrowed(NamedTuple):
    """What a list was narrowed to; None: not by that."""

    run: str = LIVE
    family: str | None = None
    stream: str | None = None
    channel: str | None = None
    group: str | None = None


def refuse_unknown(config: Path | None, url: str | None, chosen: Narrowed) -> None:
    """Raise SettingsError for a name that neither the database nor the configuration knows.

    Called where nothing was found: then an empty list would hide a slip of the pen. Where nothing of that kind is known
    at all, as before the first reading, an empty list is right.
    """
    if chosen == Narrowed():
        return
    from monitor.store import known_names
    from monitor.store.open import open_database

    settings = _settings(config, url)
    families, channels = ([], []) if settings is None else ([*settings.families], [*settings.notify])
    groups = [] if settings is None or settings.incidents is None else [*settings.incidents.groups]
    run, family = chosen.run, chosen.family
    with closing(open_database(store_url(config, url))) as database, database.reading() as connection:
        if run not in (runs := sorted({LIVE, *known_names.runs(connection)})):
            raise unknown("run", run, runs)
        if family is not None:
            _refuse("family", family, [*families, *known_names.families(connection, run)])
        if chosen.stream is not None and not known_names.has_stream(connection, run, family, chosen.stream):
            of = "" if family is None else f" in family {family!r}"
            _refuse("stream", chosen.stream, known_names.streams(connection, run, family), of)
        if chosen.channel is not None:
            _refuse("channel", chosen.channel, [*channels, *known_names.channels(connection)])
        if chosen.group is not None:
            _refuse("group", chosen.group, [*families, *groups, *known_names.groups(connection, run)])


def _refuse(kind: str, name: str, names: list[str], of: str = "") -> None:
    if names and name not in names:
        raise unknown(kind, name, names, of)


def _settings(config: Path | None, url: str | None) -> Settings | None:
    """The configuration, where there is one that can be used: what is wrong with it is no matter of a list."""
    from monitor.config.settings import load

    with suppress(SettingsError):
        return None if url is not None and config is None else load(config or CONFIG_FILE)
    return None
