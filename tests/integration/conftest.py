"""Servers that the tests of this folder share."""

from tests.integration.broker import kafka
from tests.integration.registry import schema_registry

__all__ = ["kafka", "schema_registry"]
