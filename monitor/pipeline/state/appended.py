"""A saved state with another one behind it: what its stream had learned before a maintenance.

It is one more part of the state, of any size and of a name that no other has: whatever reads states passes over it.
"""

from __future__ import annotations

from hashlib import blake2b

_HEAD = 4  # bytes of magic and version
_NAME, _SIGNATURE, _SIZE = 4, 8, 4  # of the head of a part
_MARK = blake2b(b"before maintenance", digest_size=_NAME + _SIGNATURE).digest()


def add(state: bytes, more: bytes) -> bytes:
    """The state with `more` as its last part."""
    return state + _MARK + len(more).to_bytes(_SIZE, "little") + more


def find(state: bytes) -> bytes | None:
    """What was added to a state of the present version; None where nothing was."""
    if _MARK not in state:
        return None
    at = _HEAD
    while at < len(state):
        begin = at + _NAME + _SIGNATURE + _SIZE
        end = begin + int.from_bytes(state[begin - _SIZE : begin], "little")
        if state[at : begin - _SIZE] == _MARK:
            return state[begin:end]
        at = end
    return None
