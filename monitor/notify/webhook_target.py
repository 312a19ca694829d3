"""Where a channel posts to and what a webhook is signed with, checked before anything is sent."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from monitor.config.addresses import LAST_PORT, host_problem
from monitor.config.notifiers import WebhookNotifier
from monitor.config.secrets import hidden, is_unclear
from monitor.config.small_files import read_small
from monitor.errors import SettingsError
from monitor.notify.hosts import is_public, literal_address, refusal, same_host

_PREFIX = "whsec_"
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_.-]*")
_MIN_SECRET = 24  # bytes, as the standard asks
_MAX_SECRET = 2**16  # bytes of its file
HOW_TO = (
    'make one with: python -c "import base64, secrets; '
    "print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)
# What is certainly a URL to post to; all else is left to the library that posts, which takes long to import.
_PLAIN = re.compile(
    r"https?://(?P<host>[\da-z.-]*[a-z][\da-z-]*|\d+(?:\.\d+){3})(?::(?P<port>\d{1,5}))?(?:/[\w/.~=&%+,;:?-]*)?",
    re.ASCII,
)


class Endpoint(Protocol):
    """Settings of a channel that posts to a URL; `timeout` in ns."""

    @property
    def kind(self) -> str: ...  # noqa: D102 (the class says it)
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def allow_hosts(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def timeout(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that can be posted to. `shown` is without its path, which with many services is itself a secret."""

    url: str
    shown: str

    def hide(self, text: str) -> str:
        """A text of the receiver or the library, without the path and what follows it."""
        return hidden(text, [self.url.partition(self.shown)[2]])

    @classmethod
    def of(cls, settings: Endpoint) -> Target:
        """That of the settings. Raises SettingsError. What a name resolves to is checked at each post."""
        plain = _PLAIN.fullmatch(settings.url)
        known = plain is not None and _is_known(plain["host"], int(plain["port"] or 80))
        scheme, netloc, host = _of_plain(settings.url) if known else _of_any(settings.url, settings.kind)
        if problem := host_problem(f"[{host}]" if ":" in host else host):
            raise SettingsError(f"the {settings.kind}'s url: {problem}")
        address = literal_address(host)
        if address is None:
            return cls(settings.url, f"{scheme}://{netloc}")
        if not is_public(address) and same_host(host) not in map(same_host, settings.allow_hosts):
            raise SettingsError(refusal(host, address))
        return cls(settings.url, f"{scheme}://{netloc}")


def _is_known(host: str, port: int) -> bool:
    """Whether it is a name or an address of four bytes, and a port, that no library understands otherwise."""
    try:
        return 0 < port <= LAST_PORT and (not host.replace(".", "").isdigit() or bool(ipaddress.IPv4Address(host)))
    except ValueError:
        return False


def _of_plain(url: str) -> tuple[str, str, str]:
    """Scheme, host with port, host."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, parts.hostname or ""


def _of_any(text: str, kind: str) -> tuple[str, str, str]:
    import httpx

    try:
        url = httpx.URL(text)
        urlsplit(text)  # refuses other mistakes: a bracket that is left open
    except (httpx.InvalidURL, ValueError) as error:
        why = "a user or password must not be in it" if "@" in text else error  # the error repeats parts of it
        raise SettingsError(f"the {kind}'s url is not a URL: {why}") from None
    if is_unclear(text, query=True):
        raise SettingsError(
            f"the {kind}'s url has an @ behind the host: write %40; it must not hold a user or password"
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError(f"the {kind}'s url must start with http:// or https:// and name a host")
    if url.port is not None and not 0 < url.port <= LAST_PORT:
        raise SettingsError(f"the {kind}'s url: port {url.port} cannot be; write one from 1 to {LAST_PORT:,}")
    if url.userinfo:
        raise SettingsError(f"the {kind}'s url must not hold a user or password; receivers check the signature instead")
    return url.scheme, url.netloc.decode(), url.host


def secrets(settings: WebhookNotifier, environ: Mapping[str, str]) -> Iterator[bytes]:
    """The keys to sign with. Raises SettingsError where one is absent, too short or not base64."""
    for name in settings.secret_env:
        if not _VARIABLE.fullmatch(name) or name.startswith(_PREFIX):  # never repeats it
            raise SettingsError(f"secret_env names environment variables, and one is no such name; {HOW_TO}")
        if not environ.get(name, "").strip():
            raise SettingsError(f"the environment variable {name} must hold the webhook's secret; {HOW_TO}")
        yield _secret(environ[name], f"the environment variable {name}")
    for path in settings.secret_file:
        if path.name.startswith(_PREFIX):  # never repeats it
            raise SettingsError(f"secret_file names files, and one begins with {_PREFIX}, as a secret does; {HOW_TO}")
        try:
            text = read_small(path, _MAX_SECRET).decode()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise SettingsError(f"{path} must hold the webhook's secret: {why}; {HOW_TO}") from None
        yield _secret(text, str(path))


def _secret(text: str, where: str) -> bytes:
    """The key: `whsec_` and base64, or any other text as its UTF-8 bytes. Messages never show it."""
    text = text.strip()
    if text.startswith(_PREFIX):
        encoded = text.removeprefix(_PREFIX).rstrip("=")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except binascii.Error:
            raise SettingsError(f"{where}: what follows {_PREFIX} is not base64; {HOW_TO}") from None
    else:
        key = text.encode()
    if len(key) < _MIN_SECRET:
        raise SettingsError(f"{where}: the secret has {len(key)} bytes and needs {_MIN_SECRET}; {HOW_TO}")
    return key
