"""JSON objects that name a field twice. Parsers keep the last value silently; here the message is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from monitor.sources.faults import Fault

REPEATED = Fault("duplicate-key", "a field occurs twice")
_TOO_DEEP = Fault("json", "the body is nested too deep")
_Tree = Mapping[str, Any]
_QUOTE = ord('"')
_SHORT = 1_000  # bytes of a text in which numpy is no faster


class DuplicateKeys:
    """Finds bodies in which a field that is read, or an object on the path to one, occurs twice.

    Each body has each name at least once. Where there are no more quotation marks than those names need, or where every
    name occurs exactly as often as there are objects, no body of the batch has one twice. Only where a name occurs
    elsewhere too (in another object, or as a text) are bodies parsed once more.
    """

    def __init__(self, paths: Iterable[Sequence[str]]) -> None:
        tree: dict[str, Any] = {}
        for path in paths:
            table = tree
            for part in path:
                table = table.setdefault(part, {})
        self._tree: _Tree = tree
        self._counts = [(f'"{part}"'.encode(), count) for part, count in Counter(_parts(tree)).items()]
        self._quotes = 2 * sum(count for _, count in self._counts)  # that an object has at least
        plain = all(part.isascii() for part in _parts(tree))
        self._escaped = re.compile(rb"\\u00[0-7]|\\/" if plain else rb"\\[u/]")  # a name may be spelt with these

    def find(self, bodies: Sequence[bytes], objects: Sequence[int] | None = None) -> Iterator[tuple[int, Fault]]:
        """Which of these bodies, each readable, repeat a field. `objects`: how many messages each holds, if not one."""
        if self._clean(b"".join(bodies), len(bodies) if objects is None else sum(objects)):
            return
        counts = [1] * len(bodies) if objects is None else objects
        for row, (body, count) in enumerate(zip(bodies, counts, strict=True)):
            if not self._clean(body, count) and (fault := self.fault(body)) is not None:
                yield row, fault

    def fault(self, body: bytes) -> Fault | None:
        """Whether this body, which may lack fields, repeats one, or is nested too deep to say."""
        try:
            document = json.loads(
                body.decode("utf-8", "replace"),
                object_pairs_hook=_Pairs, parse_int=str, parse_float=str, strict=False,
            )  # fmt: skip
        except RecursionError:
            return _TOO_DEEP
        except ValueError:
            return REPEATED  # of what msgspec has read
        items = document if isinstance(document, list) and not isinstance(document, _Pairs) else [document]
        return REPEATED if any(_doubled(item, self._tree) for item in items) else None

    def _clean(self, text: bytes, objects: int) -> bool:
        """No body of this text can repeat a field: each object has each name at least once, so none has it twice."""
        if b"\\" not in text and _quotes(text) == self._quotes * objects:
            return True
        return all(text.count(name) == objects * count for name, count in self._counts) and not (
            b"\\" in text and self._escaped.search(text)
        )


def _quotes(text: bytes) -> int:
    if len(text) < _SHORT:
        return text.count(_QUOTE)
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == _QUOTE))


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs of name and value, repeated ones too."""


def _doubled(item: Any, tree: _Tree) -> bool:
    if not isinstance(item, _Pairs):
        return False
    names = [name for name, _ in item]
    return any(
        names.count(name) > 1 or (bool(below) and _doubled(dict(item).get(name), below)) for name, below in tree.items()
    )


def _parts(tree: _Tree) -> Iterator[str]:
    for part, below in tree.items():
        yield part
        yield from _parts(below)
