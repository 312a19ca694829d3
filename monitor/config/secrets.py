"""Passwords and tokens of the settings: what may be shown of a URL, and texts of libraries without them.

>>> shown_url("postgresql+psycopg://wk:p@ss/w@db.plant/watch?sslmode=require")
'postgresql+psycopg://wk:***@db.plant/watch?***'
>>> hidden("FATAL: wrong password 'hunter22'", ["hunter22"])
"FATAL: wrong password '***'"
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote_plus

HIDDEN = "***"
ESCAPED = "in user and password write @ as %40, / as %2F, : as %3A, ? as %3F, # as %23"
PART = 8  # characters of a secret that a text may not repeat
_LEAST = 4  # a shorter secret is none, and hiding it would make texts unreadable

_USER = re.compile(r"[\w.%+-]*(?=:|$)")
_SECRET = re.compile("pass|pwd|token|secret|key|auth|cred|sig|jwt|code", re.IGNORECASE)
_PLACE = re.compile("location|file|path", re.IGNORECASE)


def shown_url(url: str) -> str:
    """The URL without password and query, also where they are not escaped; of http, without the user too."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return HIDDEN
    if scheme == "sqlite":
        return _before_query(url)
    held, at, place = rest.rpartition("@")
    if "?" in held or "#" in held:  # of the password, or the query begins there
        return f"{scheme}://{HIDDEN}"
    user = None if scheme.startswith("http") else _USER.match(held)
    who = "" if user is None else user[0] + f":{HIDDEN}" * (user[0] != held)
    return f"{scheme}://{f'{who}@' if at and who else ''}{_before_query(place)}"


def _before_query(text: str) -> str:
    """What comes before a query or a fragment."""
    before = re.split(r"[?#]", text, maxsplit=1)[0]
    return before if before == text else f"{before}?{HIDDEN}"


def is_unclear(url: str, *, query: bool = False) -> bool:
    """Whether a password may be in it that is not escaped, so that a part of it would be taken for something else.

    With `query`, an @ in the query is no sign of that, unless a : comes before the first / or ?.
    """
    scheme, _, rest = url.partition("://")
    if scheme.startswith("sqlite"):
        return False
    if scheme.startswith("postgres"):  # SQLAlchemy takes everything up to the @ for user and password
        return rest.count("@") > 1 or "?" in rest.rpartition("@")[0]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    behind = rest[len(authority) :]
    if query and ":" not in authority:
        behind = behind.partition("?")[0]
    return authority.count("@") > 1 or "@" in behind


def secrets_of(url: str) -> Iterator[str]:
    """The password of a URL, its query, and the values in that whose names say so; as written and decoded."""
    rest = url.partition("://")[2]
    held, _, place = rest.rpartition("@")
    user, colon, password = held.partition(":")
    found = [password if colon else user]
    query = re.split(r"[?#]", place, maxsplit=1)[1:]
    for name, _, value in (pair.partition("=") for pair in "".join(query).split("&")):
        found += [value] if _SECRET.search(name) else []
    found += query
    for secret in found:
        yield from (secret, unquote_plus(secret))


def secret_options(options: Mapping[str, object]) -> Iterator[str]:
    """The values of a library's options whose names say that they are secret."""
    for name, value in options.items():
        if _SECRET.search(name) and not _PLACE.search(name):
            yield str(value)


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text with every occurrence of a secret, or of `PART` characters of one, replaced."""
    covered = bytearray(len(text))
    for secret in secrets:
        for form in {secret, repr(secret)[1:-1]}:
            for piece in _pieces(form):
                for found in re.finditer(f"(?={re.escape(piece)})", text):
                    covered[found.start() : found.start() + len(piece)] = b"\x01" * len(piece)
    parts, at = [], 0
    for stretch in re.finditer(b"\x01+", bytes(covered)):
        parts.append(text[at : stretch.start()])
        at = stretch.end()
    return HIDDEN.join([*parts, text[at:]])


def _pieces(secret: str) -> set[str]:
    if len(secret) < _LEAST:
        return set()
    return {secret[i : i + PART] for i in range(max(1, len(secret) - PART + 1))}
