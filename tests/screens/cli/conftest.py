"""The command line in this process, and servers for it to talk to."""

from tests.fixtures.cli import at_live, kaboom, live, scripted

__all__ = ["at_live", "kaboom", "live", "scripted"]
