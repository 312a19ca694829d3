"""Names that leave the configuration: topics of Kafka, tables of families and channels, groups, clients and runs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator

LONGEST_TOPIC = 249
LONGEST = 200  # bytes of a name: one of a file has 255 at most
_TOPIC = re.compile(r"[a-zA-Z0-9._-]+")
_NOT_IN_FILES = re.compile(r'[/\\:*?"<>|]')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)  # of Windows


def topic_name(name: str) -> str:
    """The name of a topic, as Kafka takes them. Raises ValueError."""
    if not name:
        raise ValueError("it is empty; name the Kafka topic")
    if name.startswith("^"):
        raise ValueError(f"{shown(name)} is a pattern, which would mix the streams of its topics; name one topic")
    if not _TOPIC.fullmatch(name) or name in (".", "..") or len(name) > LONGEST_TOPIC:
        raise ValueError(
            f"{shown(name)} is no name of a topic: Kafka takes 1 to {LONGEST_TOPIC} of the characters "
            'a-z, A-Z, 0-9, ".", "_" and "-"'
        )
    return name


def plain_name(name: str) -> str:
    """A name that is shown and stored: not empty, printable, and not too long. Raises ValueError."""
    if not name.strip() or name != name.strip():
        raise ValueError(f"{shown(name)}: the name is empty, or begins or ends with a space")
    if not name.isprintable():
        raise ValueError(f"{shown(name)}: the name holds characters that cannot be printed; leave them out")
    if len(name.encode()) > LONGEST:
        raise ValueError(f"{shown(name)}: the name is too long; {LONGEST} bytes at most")
    return name


def file_name(name: str) -> str:
    """A name that may also be a file's or a folder's, on every system. Raises ValueError."""
    plain_name(name)
    if _NOT_IN_FILES.search(name) or name.startswith(".") or name.endswith("."):
        raise ValueError(f'{shown(name)}: leave out / \\ : * ? " < > | and dots at the beginning and the end')
    if _DEVICES.fullmatch(name):
        raise ValueError(f"{shown(name)} is the name of a device on Windows; choose another one")
    return name


def name_of(kind: str) -> AfterValidator:
    """As `plain_name`, for a setting that may be missing from the table it names."""

    def check(name: str) -> str:
        try:
            return plain_name(name)
        except ValueError as error:
            raise ValueError(f"name the {kind}: {error}") from None

    return AfterValidator(check)


def twins(names: Iterable[str]) -> Iterator[str]:
    """What is wrong with names that differ in upper and lower case, or in how a letter is composed, only."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(unicodedata.normalize("NFC", name.casefold()), name)
        if other != name:
            yield f"{name} and {other} differ in case only, which files and variables do not tell apart; rename one"


def shown(name: str) -> str:
    """The name in a message, in quotes and not longer than a line."""
    return repr(name if len(name) <= 80 else f"{name[:77]}...")


Topic = Annotated[str, AfterValidator(topic_name)]
FileName = Annotated[str, AfterValidator(file_name)]
PlainName = Annotated[str, AfterValidator(plain_name)]
