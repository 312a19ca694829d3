"""Names of streams from templates: different values of the fields give different names.

The text between two fields ends the first of them where it occurs first. Where a value (other than the last) holds that
text, each occurrence of its first character is written as in URLs, and so is a % that would look like that:

>>> name = KeyTemplate("{site}/{machine}").name
>>> name(["north", "press/7"]), name(["north/press", "7"]), name(["north%2Fpress", "7"])
('north/press/7', 'north%2Fpress/7', 'north%252Fpress/7')
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

PLACE = re.compile(r"\{([^{}]+)\}")


class KeyTemplate:
    """A template such as "{site}/{machine.id}"; `fields` are those that it names, each once."""

    def __init__(self, text: str) -> None:
        literals, names = PLACE.split(text)[::2], PLACE.findall(text)
        self.fields: tuple[str, ...] = tuple(dict.fromkeys(names))
        self._form = "%s".join(literal.replace("%", "%%") for literal in literals)
        self._places = [self.fields.index(name) for name in names]
        self._separators = literals[1:-1]

    def name(self, parts: Sequence[str | int]) -> str:
        """The name that the values of `fields` make; empty where one of them is."""
        texts = list(map(str, parts))
        if not all(texts):
            return ""
        values = [texts[place] for place in self._places]
        for at, separator in enumerate(self._separators):
            value = values[at]
            if (value + separator).find(separator) < len(value) or "%" in value:
                values[at] = _escaped(value, separator)
        return self._form % tuple(values)


def template_problems(text: str) -> Iterator[str]:
    """Why names made by a template could be the same for different values; sentences without a beginning."""
    plain = PLACE.sub("", text)
    if "{" in plain or "}" in plain:
        yield 'write a template such as "{site}/{machine.id}"'
    for left, right in pairwise(PLACE.finditer(text)):
        between = text[left.end() : right.start()]
        if not between or between[0] == "%" or between[0].isdigit():
            yield (
                f"between {left[0]} and {right[0]} must stand a text that begins neither with a digit nor with %, or "
                f'two streams could get one name; write "{left[0]}/{right[0]}"'
            )


@lru_cache
def key_template(text: str) -> KeyTemplate:
    """The template of a text, made once."""
    return KeyTemplate(text)


def _escaped(value: str, separator: str) -> str:
    """The value so that `separator` does not begin in it, and so that no two values become equal."""
    code = "".join(f"%{byte:02X}" for byte in separator[0].encode())
    begins = (value + separator).find(separator) < len(value)
    if not begins and code not in value and "%25" not in value:
        return value
    return re.sub(f"%(?={code[1:]}|25)", "%25", value).replace(separator[0], code)
