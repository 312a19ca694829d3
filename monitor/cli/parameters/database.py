"""Which database a command works on, and how it shows times."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.config.reading import load_store, load_topics
from monitor.errors import SettingsError

CONFIG_FILE = Path("watchkeeper.toml")

Config = Annotated[
    Path | None, typer.Option("--config", "-c", parser=bounds.path, help="The TOML file [default: watchkeeper.toml].")
]
Url = Annotated[
    str | None, typer.Option("--url", parser=bounds.text, help="The database itself, instead of store.url of a file.")
]


def store_url(config: Path | None, url: str | None) -> str:
    """The URL given, else store.url of the configuration. Raises SettingsError when there is neither."""
    if url is not None:
        return url
    if config is None and not CONFIG_FILE.exists():
        raise SettingsError(f"which database? Give --config FILE or --url URL, or run it where {CONFIG_FILE} is")
    return load_store(config or CONFIG_FILE).url


def topics(config: Path | None, url: str | None) -> list[str] | None:
    """Those of the configuration; None where the database itself is given."""
    return None if url is not None else load_topics(config or CONFIG_FILE)


def utc(time: int) -> str:
    """A time in ns as people read it, to the second: 2014-02-03 04:05:06."""
    return f"{datetime.fromtimestamp(time // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
