"""What tests of several folders share: one of each server per session, and hypothesis without a stopwatch."""

from hypothesis import settings

from tests.integration.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

settings.register_profile("patient", deadline=None)  # busy machines are slow, not wrong
settings.load_profile("patient")
