"""The bounds of the house: sizes of files, functions and classes, docstrings, names of log events."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for package in ("monitor", "models")
    for path in (ROOT / package).rglob("*.py")
    if "migrations/versions" not in path.as_posix()  # history: as it was run
)
LINES, STATEMENTS, METHODS, ARGUMENTS = 300, 40, 10, 6

# What is larger, and why: by "path" of a file, or "path:name" of a function or class.
EXCEPTIONS = {
    "monitor/sources/files/source.py:__init__": "keywords with defaults, where readers of files start and stop",
    "monitor/store/queries.py:Reader": "a method for each list of the command line, no state but the connection",
    "monitor/store/schema.py": "one table after the other and no logic: a split would only hide where a table is",
    "monitor/ports/store.py:Store": "what one worker asks of one database: a second port would be a second connection",
    "monitor/store/sql.py:SqlStore": "implements Store",
    "monitor/store/memory.py:MemoryStore": "implements Store, and the rows that alert commands read and write",
    "monitor/pipeline/family.py:Pipeline": "what a worker asks of one family, each a line or two over its parts",
}
Definition = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path, definition: Definition | ast.ClassDef | None = None) -> str:
    name = path.relative_to(ROOT).as_posix()
    return name if definition is None else f"{name}:{definition.name}"


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def lines(definition: Definition) -> int:
    """Of a function without its docstring, and of a command without its options."""
    first = definition.body[0]
    begin = first.lineno if is_command(definition) else definition.lineno
    whole = (definition.end_lineno or begin) - begin + 1
    if ast.get_docstring(definition) is None:
        return whole
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1)


def arguments(definition: Definition) -> int:
    """Without `self` and `cls`."""
    given = definition.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def is_command(definition: Definition) -> bool:
    """Whether it is a command of Typer's: its arguments are the options that a person may give."""
    return "typer." in ast.unparse(definition.args)


def public_methods(definition: ast.ClassDef) -> int:
    """Without properties."""
    methods = (node for node in definition.body if isinstance(node, ast.FunctionDef))
    return sum(not method.name.startswith("_") and not is_property(method) for method in methods)


def is_public_class(node: ast.stmt) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef) and not node.name.startswith("_")


def is_stub(node: Definition | ast.ClassDef) -> bool:
    """Of an overload, or of a protocol that names the methods of another library: `...` and nothing else."""
    return len(node.body) == 1 and ast.unparse(node.body[0]) == "..."


def is_property(method: ast.FunctionDef) -> bool:
    return any(isinstance(d, ast.Name) and d.id == "property" for d in method.decorator_list)


def too_large(path: Path) -> Iterator[str]:
    """Names of what is out of bounds, each with what it is."""
    if (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES:
        yield f"{name_of(path)} has {count} lines"
    for node in nodes(path):
        if isinstance(node, Definition):
            if (count := lines(node)) > STATEMENTS:
                yield f"{name_of(path, node)} has {count} lines"
            if (count := arguments(node)) > ARGUMENTS and not is_command(node):
                yield f"{name_of(path, node)} has {count} arguments"
        if isinstance(node, ast.ClassDef) and (count := public_methods(node)) > METHODS:
            yield f"{name_of(path, node)} has {count} public methods"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_larger_than_the_bounds(path: Path) -> None:
    assert [found for found in too_large(path) if found.partition(" ")[0] not in EXCEPTIONS] == []


def test_every_exception_is_still_one() -> None:
    found = {large.partition(" ")[0] for path in FILES for large in too_large(path)}

    assert set(EXCEPTIONS) <= found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_is_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    empty = path.name == "__init__.py" and not tree.body
    public = [
        node
        for body in (tree.body, *(node.body for node in tree.body if is_public_class(node)))
        for node in body
        if isinstance(node, Definition | ast.ClassDef) and not (node.name.startswith("_") or is_stub(node))
    ]

    assert empty or ast.get_docstring(tree)
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def events() -> Iterator[tuple[str, str]]:
    """Every file that logs something, and the name of the event; "" where that is no text."""
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = isinstance(node.func.value, ast.Name) and node.func.value.id in ("log", "_log")
                if named and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical"):
                    first = node.args[0]
                    for event in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                        yield (name_of(path), event.value if isinstance(event, ast.Constant) else "")  # type: ignore[misc]


def test_log_events_have_one_style() -> None:
    """Dashboards and tests match them: snake_case, not a sentence, no dots."""
    found = set(events())

    assert len(found) > 20
    assert {(path, event) for path, event in found if not re.fullmatch(r"[a-z]+(_[a-z]+)*", event)} == set()


# Metaphors that have a standard word: see the glossary.
AVOIDED = re.compile(
    r"\b(nobody|somebody|whoever|anew|looked after|what there is|on (its|their) way|of (its|their) own|told)\b", re.I
)


@pytest.mark.parametrize("path", [*FILES, *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=name_of)
def test_words_are_plain(path: Path) -> None:
    if path.name == "CHANGELOG.md":
        return
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)

    assert [(number, line.strip()) for number, line in lines if AVOIDED.search(line)] == []
