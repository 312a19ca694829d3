"""Titles and bodies of messages for people: plain text with fields such as {stream}, and nothing that could run.

>>> list(template_problems("{stream} is {state}"))
[]
>>> list(template_problems("{stream.name} of {strem}"))
['{stream.name} is no field; write {{ and }} for braces', '{strem} is no field; did you mean stream?']
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from monitor.config.addresses import web_problem
from monitor.config.unknown_names import nearest

# Fields of a message that are texts or numbers; docs/alert-message.v1.schema.json says what each means.
FIELDS = (
    "type", "timestamp", "store", "alert_id", "transition_id", "number", "run", "family", "stream", "kind", "channel",
    "cause", "accept", "state", "severity", "ratio", "peak_ratio", "peak_at", "windows", "opened_at", "started_at",
    "last_at", "resolved_at", "acknowledged_at", "acknowledged_by", "shelved_until", "flapping", "verdict",
    "actor", "note", "summary", "contributions",
    "score", "limit", "percentile_7d", "value", "expected", "link",
)  # fmt: skip
PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_LONGEST, _LINK = 4000, 400  # characters


def template_problems(text: str) -> Iterator[str]:
    """What is wrong with a template; sentences without a beginning."""
    if len(text) > _LONGEST:
        yield f"it has {len(text):,} characters; {_LONGEST:,} are the most"
    for place in PLACE.finditer(text):
        name = place[1]
        if name is not None and name not in FIELDS:
            word = name.isidentifier()
            hint = nearest(name, FIELDS) if word else "; write {{ and }} for braces"
            yield f"{{{name}}} is no field{hint}"
    if re.search("[{}]", PLACE.sub("", text)):
        yield "a brace stands alone; write {{ and }} for braces"


def _checked(text: str) -> str:
    if problem := next(template_problems(text), ""):
        raise ValueError(problem)
    return text


def _checked_link(text: str) -> str:
    if text and (problem := web_problem(text.replace("{alert_id}", ""))):
        raise ValueError(problem)
    if len(text) > _LINK or not text.isascii() or (text and "{alert_id}" not in text):
        raise ValueError(f'write at most {_LINK} ASCII characters such as "https://watch.plant/alerts/{{alert_id}}"')
    return text


Template = Annotated[str, AfterValidator(_checked)]
Link = Annotated[str, AfterValidator(_checked_link)]  # where people find an alert; "" = nowhere
