"""Servers that the tests of this folder share."""

from tests.integration.broker import kafka

__all__ = ["kafka"]
