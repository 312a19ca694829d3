"""Why a text is no number, and the option or the key of `format` that would read it."""

from __future__ import annotations

import re
from collections.abc import Callable

from monitor.sources.notation import APOSTROPHES, PLAIN_NUMBER, SPACES, Notation

Setting = Callable[[str, str], str]  # name and value to text: `option` or `key`
_LONGEST = 60  # characters of the text that are shown
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_SHAPES = [
    (re.compile(shape), question, settings)
    for shape, question, settings in (
        (r"[+-]?\d{1,3}(?:,\d{3})+\.\d+", "thousands separator", {"thousands": ","}),
        (r"[+-]?\d{1,3}(?:\.\d{3})+,\d+", "decimal comma", {"decimal": ",", "thousands": "."}),
        (r"[+-]?\d{1,3}(?:\.\d{3}){2,}", "thousands separator", {"thousands": "."}),
        (r"[+-]?\d{1,3}(?:,\d{3}){2,}", "thousands separator", {"thousands": ","}),
        (rf"[+-]?\d{{1,3}}(?:[{SPACES}]\d{{3}})+,\d+", "decimal comma", {"decimal": ",", "thousands": " "}),
        (rf"[+-]?\d{{1,3}}(?:[{APOSTROPHES}]\d{{3}})+,\d+", "decimal comma", {"decimal": ",", "thousands": "'"}),
        (rf"[+-]?\d{{1,3}}(?:[{SPACES}]\d{{3}})+(?:\.\d+)?", "thousands separator", {"thousands": " "}),
        (rf"[+-]?\d{{1,3}}(?:[{APOSTROPHES}]\d{{3}})+(?:\.\d+)?", "thousands separator", {"thousands": "'"}),
        (r"[+-]?\d{1,3},\d{3}", "thousands separator", {"thousands": ","}),
        (r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", "decimal comma", {"decimal": ","}),
    )
]


def option(name: str, value: str) -> str:
    """A setting as an option of a command: --high OVER."""
    return f'--{name} "{value}"' if set(value) & set(" ,;'<>|\u00a0") else f"--{name} {value}"


def key(name: str, value: str) -> str:
    """A setting as a key of `format`: format.high = ["OVER"]."""
    return f'format.{name} = ["{value}"]' if name in ("high", "low", "missing") else f'format.{name} = "{value}"'


def number_fault(text: str, notation: Notation, setting: Setting) -> str:
    """The sentence for a person about a text that `notation` does not read as a number."""
    plain = text.strip()
    if len(plain) > _LONGEST:
        return f'"{plain[:_LONGEST]}..." is not a number'
    shown = f'"{plain}"'
    if _INFINITE.fullmatch(plain) or (notation.decimal == "." and PLAIN_NUMBER.fullmatch(plain)):
        return f"{shown} is no finite number within float32"
    if PLAIN_NUMBER.fullmatch(plain):
        thousands, point = setting("thousands", "."), setting("decimal", ".")
        return f"{shown} is not a number: thousands separator? {thousands}; decimal point? {point}"
    for shape, question, settings in _SHAPES:
        if shape.fullmatch(plain):
            return f"{shown} is not a number: {question}? {' '.join(setting(*pair) for pair in settings.items())}"
    return f"{shown} is not a number: {setting('high', plain)}, {setting('low', plain)} or {setting('missing', plain)}?"
