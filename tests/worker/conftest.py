"""The task with handlers that tests write, as in the tests of the engine."""

from tests.jobs.engine.conftest import scripted

__all__ = ["scripted"]
