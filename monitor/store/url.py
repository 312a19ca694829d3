"""The URL of a database, checked as its driver will read it. Connects to nothing."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from monitor.config.secrets import ESCAPED, hidden, is_unclear, secrets_of
from monitor.errors import SettingsError

FORMS: Final = "write sqlite:///path/to/file.db or postgresql+psycopg://user@host/database"
_DRIVERS = {"sqlite": "sqlite", "sqlite+pysqlite": "sqlite"}
_DRIVERS |= dict.fromkeys(("postgresql", "postgresql+psycopg", "postgresql+psycopg2"), "postgresql+psycopg")
_NUMBERS = (  # libpq reads these late, when it has an address
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
)  # fmt: skip
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
_NOWHERE = "/watchkeeper-checks-options-only"  # no folder of a socket, so that libpq gives up behind its checks


def parse_url(url: str) -> URL:
    """The URL, with the driver that is used. Raises SettingsError that never repeats it: it may hold a password."""
    if is_unclear(url):
        raise SettingsError(f"store.url: it is not clear where its password ends; {ESCAPED}")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError(f"store.url is not a database URL; {FORMS}") from None
    if parsed.drivername not in _DRIVERS:
        raise SettingsError(f"store.url: {parsed.drivername} is not supported; {FORMS}")
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if "\0" in url or not url.isprintable():
        raise SettingsError("store.url: it holds characters that cannot be printed; leave them out")
    problem = _of_sqlite(parsed) if parsed.drivername == "sqlite" else _of_postgres(parsed)
    if problem:
        raise SettingsError(f"store.url: {hidden(problem, secrets_of(url))}")
    return parsed


def _of_sqlite(url: URL) -> str:
    if url.host or url.port or url.username or url.password:
        return f"SQLite is a file and has no host or user; {FORMS}"
    if url.database in {None, "", ":memory:"}:
        return f"SQLite in memory would lose everything; {FORMS}"
    if url.query:
        return f"SQLite takes no parameters; leave out what follows the question mark: {', '.join(url.query)}"
    return ""


def _of_postgres(url: URL) -> str:
    import psycopg
    from psycopg.conninfo import make_conninfo
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    if "@" in (url.host or ""):
        return "there is an @ too many; write %40 for one in the password"
    try:
        _, given = PGDialect_psycopg().create_connect_args(url)  # type: ignore[no-untyped-call]
        options: dict[str, Any] = dict(given)
        for port in filter(None, str(options.get("port", "")).split(",")):
            if not _NUMBER.fullmatch(port) or not 0 < int(port) < 2**16:
                return f"port {port} cannot be; write one from 1 to 65535"
        for name in _NUMBERS:
            if not _NUMBER.fullmatch(str(options.get(name, 0))):
                return f"{name} takes a whole number"
        hosts = ",".join([_NOWHERE] * (1 + str(options.get("host", "")).count(",")))
        connection = psycopg.pq.PGconn.connect_start(
            make_conninfo(**options | {"host": hosts, "hostaddr": ""}).encode()
        )
    except (ArgumentError, psycopg.Error, ValueError) as error:
        return f"{str(error).strip()}; {FORMS}"
    said = connection.error_message.decode(errors="replace").strip()
    connection.finish()
    return "" if _NOWHERE in said else said
