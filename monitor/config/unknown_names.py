"""What is said of a name that is not known, in every command and setting: the same words, and what it may have been."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Final

from monitor.errors import SettingsError

SHOWN: Final = 10  # names in a sentence


def nearest(name: str, names: Sequence[str]) -> str:
    """The likeliest of `names` as the end of a sentence, or nothing when none is like `name`.

    >>> nearest("pmup", ["pump", "oven"])
    '; did you mean pump?'
    """
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def unknown(kind: str, name: str, names: Collection[str], of: str = "") -> SettingsError:
    """The error about a name of that kind that is none of `names`, of which the first are shown; `of` says where.

    >>> print(unknown("stream", "pmup-1", ["pump-1", "pump-2"], " in family 'pumps'"))
    no stream named 'pmup-1' in family 'pumps'; there are: pump-1, pump-2; did you mean pump-1?
    >>> print(unknown("channel", "oncall", []))
    no channel named 'oncall'; there is none
    """
    known = list(dict.fromkeys(names))
    more = f" and {len(known) - SHOWN:,} more" if len(known) > SHOWN else ""
    there = f"there are: {', '.join(known[:SHOWN])}{more}" if known else "there is none"
    return SettingsError(f"no {kind} named {name!r}{of}; {there}{nearest(name, known)}")
