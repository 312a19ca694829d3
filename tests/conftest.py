"""What tests of several folders share: servers, no logs left behind, hypothesis without a stopwatch, traced threads."""

import gc
import os
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.integration.postgres import postgres, postgres_url
from tests.tracing import one_by_one

__all__ = ["postgres", "postgres_url"]

# Busy machines are slow, not wrong. A change is judged by the same examples every time; `make chaos` draws new ones.
settings.register_profile("patient", deadline=None, derandomize=os.environ.get("CHAOS_LONG") != "1")
settings.load_profile("patient")

# Where it is set, every worker that a test starts would compile all of its imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# Files of the folders to the left take longer, by their waits or trainings: where processes share the files, none is
# left alone with a long one at the end.
ORDER = ("integration", "chaos", "property", "contract", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """By folder, and in a folder the files with the most tests first; benchmarks in their order."""
    count = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return (ORDER.index(folder), -count[item.path]) if folder in ORDER else (len(ORDER), 0)

    items.sort(key=place)


def pytest_collection() -> None:
    """Coverage, where it is asked for, has started by now."""
    one_by_one()


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """A command that a test ran may have sent the logs to a stream that is closed by now."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Reports go to the first process as UTF-8: lone surrogates, which hostile names have, are written out."""
    return _encodable((yield))


def _encodable(part: Any) -> Any:
    if isinstance(part, str):
        return part.encode("utf-8", "backslashreplace").decode()
    if isinstance(part, dict):
        return {_encodable(name): _encodable(value) for name, value in part.items()}
    return type(part)(map(_encodable, part)) if isinstance(part, list | tuple) else part


@pytest.fixture(scope="module")
def frozen_heap() -> Iterator[None]:
    """For tests that start many workers in this process: each would search the objects of all earlier tests first."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
