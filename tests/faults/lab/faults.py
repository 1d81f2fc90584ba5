"""Faults that last, and scripts whose answers get lost."""

import hashlib
import time
from importlib.resources import files


def last(seconds: float) -> None:
    """Let a fault last so long. Not a way to wait for an effect: that is `until`."""
    time.sleep(seconds)


def script_sha(name: str) -> bytes:
    """Return how a script of the job store is named on the wire."""
    folder = files("kaboom.jobs.redis") / "lua"
    text = "".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("prelude", name))
    return hashlib.sha1(text.encode()).hexdigest().encode()
