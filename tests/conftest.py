"""What tests of several folders share: servers, logs that no test leaves behind, hypothesis without a stopwatch."""

import gc
import os
from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def frozen_heap() -> Iterator[None]:
    """For tests that start many workers in this process: each would search the objects of all earlier tests first."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
