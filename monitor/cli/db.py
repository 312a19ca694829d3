"""`watchkeeper db`: the schema of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor.cli.parameters.database import Config, Url, store_url
from monitor.cli.rendering.output import echo, echo_json

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def db() -> None:
    """Create the database schema or bring it up to date."""


@app.command()
def upgrade(config: Config = None, url: Url = None) -> None:
    """Create the tables, or bring them to the schema of this version. Stop the workers first."""
    from monitor.store import migrations

    where = store_url(config, url)
    before = migrations.current(where)
    after = migrations.upgrade(where)
    echo(f"The schema is {after} already." if before == after else f"The schema is {after} now.")


@app.command()
def current(
    config: Config = None, url: Url = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show which schema the database has, and which one this version needs."""
    from monitor.store import migrations

    found, needed = migrations.current(store_url(config, url)), migrations.head()
    if as_json:
        echo_json({"current": found, "needed": needed})
    else:
        echo(f"current {found or 'none'}, needed {needed}")
