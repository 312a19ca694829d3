"""Servers that tests of several folders share: one of each per session."""

from tests.integration.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]
