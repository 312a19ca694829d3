"""What tests of several folders share: servers, logs that no test leaves behind, hypothesis without a stopwatch."""

import gc
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.integration.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

# Busy machines are slow, not wrong. A change is judged by the same examples every time; `make chaos` draws new ones.
settings.register_profile("patient", deadline=None, derandomize=os.environ.get("CHAOS_LONG") != "1")
settings.load_profile("patient")

# Where it is set, every worker that a test starts would compile all of its imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


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
