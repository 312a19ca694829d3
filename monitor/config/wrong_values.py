"""What a value should be, and what to write instead, for each way in which pydantic refuses one."""

from __future__ import annotations

from typing import Any

_WHOLE = "should be a whole number; write one without quotes, such as 5"
_NUMBER = "should be a number; write one without quotes, such as 0.5"
_SWITCH = "should be true or false; write one of them without quotes"
_TEXT = "should be text; write it in quotes"
_PATH = "should be the path of a file; write it in quotes"
_SAID = {
    "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE, "int_parsing_size": _WHOLE,
    "float_type": _NUMBER, "float_parsing": _NUMBER, "finite_number": _NUMBER,
    "bool_type": _SWITCH, "bool_parsing": _SWITCH,
    "string_type": _TEXT, "string_unicode": _TEXT, "path_type": _PATH,
    "list_type": "should be a list; write it in brackets",
    "greater_than": "should be greater than {gt}; write a larger value",
    "greater_than_equal": "should be greater than or equal to {ge}; write {ge} or more",
    "less_than": "should be less than {lt}; write a smaller value",
    "less_than_equal": "should be less than or equal to {le}; write {le} or less",
    "too_short": "should have {min_length} or more entries; add some",
    "too_long": "should have {max_length} or fewer entries; leave some out",
    "string_too_short": "should have {min_length} or more characters; write a longer text",
    "string_too_long": "should have {max_length} or fewer characters; write a shorter text",
}  # fmt: skip


def said(item: Any) -> str:
    """The sentence about an entry of `ValidationError.errors`; that of a validator of these settings as it is."""
    if item["type"] in _SAID:
        bounds = {name: _plain(value) for name, value in item.get("ctx", {}).items()}
        return _SAID[item["type"]].format(**bounds)
    found: str = item["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return found


def _plain(value: Any) -> Any:
    """0 instead of 0.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
