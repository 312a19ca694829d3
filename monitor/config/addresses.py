"""Addresses of servers as people write them, refused here where a library would cut, skip or misread them later."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from monitor.config.names import shown

EMBEDDED = "embedded"
LAST_PORT = 65_535
_LABEL = re.compile(r"(?!-)[\w-]{1,63}")  # names of containers have underscores
_BROKER = re.compile(r"(?:(?P<scheme>[^:/\s]*)://)?(?P<host>\[[^\]]*\]|[^\[\]:]*)(?::(?P<port>[^:]*))?")
SCHEMES = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")


def broker_problem(servers: str) -> str:
    """What is wrong with `kafka.bootstrap_servers`, or nothing."""
    if servers == EMBEDDED:
        return ""
    if "@" in servers:  # never repeats it
        return "write HOST:PORT; user and password go into kafka.options: sasl.username, sasl.password"
    return next(filter(None, map(_address_problem, map(str.strip, servers.split(",")))), "")


def _address_problem(address: str) -> str:
    found = _BROKER.fullmatch(address)
    if not address:
        return f'an address is empty; write HOST:PORT, or "{EMBEDDED}"'
    if found is None:
        return f"{shown(address)} is not HOST:PORT; an IPv6 address is written [::1]:9092"
    if found["scheme"] and found["scheme"].lower() not in SCHEMES:
        return f"{shown(address)}: {found['scheme']} is not spoken by brokers; write HOST:PORT"
    problem = host_problem(found["host"]) or port_problem(found["port"])
    return f"{shown(address)}: {problem or 'brokers are named in ASCII'}" if problem or not address.isascii() else ""


def scheme_problem(servers: str, protocol: object) -> str:
    """An address with another scheme than the option security.protocol, which librdkafka leaves out; or nothing."""
    schemes = {address.partition("://")[0].strip().lower() for address in servers.split(",") if "://" in address}
    if other := sorted(schemes - {str(protocol).lower()}):
        return f'leave out "{other[0]}://", or set the option security.protocol, which is {protocol}, to it'
    return ""


def host_problem(host: str) -> str:
    """What is wrong with a host's name or address (IPv6 in brackets), or nothing."""
    if not host:
        return "it names no host"
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host.strip("[]"))
        elif host.replace(".", "").isdecimal():
            socket.inet_aton(host)  # as resolvers read it: 127.1 is one too
    except (OSError, ValueError):
        return f"{shown(host)} is no address"
    name = host.removesuffix(".")
    if not host.startswith("[") and (len(name) > 253 or not all(map(_LABEL.fullmatch, name.split(".")))):
        return f"{shown(host)} is no name of a host; names have letters, digits, hyphens and dots"
    return ""


def port_problem(port: str | None) -> str:
    """What is wrong with a port as text, or nothing; None is the usual one."""
    if port is None or (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) <= LAST_PORT):
        return ""
    return f"{shown(port)} is no port; write one from 1 to {LAST_PORT:,}"


def web_problem(url: str) -> str:
    """What is wrong with the URL of a web service, or nothing; never repeats it, as it may hold a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"it is no URL; write http://HOST:PORT, with a port from 1 to {LAST_PORT:,}"
    if any(character.isspace() or not character.isprintable() for character in url):
        return "it holds spaces, or characters that cannot be printed; leave them out"
    if parts.scheme not in ("http", "https"):
        return "it must start with http:// or https://"
    host = parts.hostname or ""
    return host_problem(f"[{host}]" if ":" in host else host) or port_problem(None if port is None else str(port))
