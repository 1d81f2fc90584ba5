"""What tests measured: one JSON line each, in the file that `KABOOM_FAULTS_RESULTS` names, if it names one."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

RESULTS = "KABOOM_FAULTS_RESULTS"


@dataclass(frozen=True, slots=True)
class Measures:
    """The measurements of one test."""

    test: str

    def note(self, row: int | str, promise: str, **measured: float | str) -> None:
        """Say what was measured of a promise; `row` is its number in the list of faults."""
        path = os.environ.get(RESULTS)
        if not path:
            return
        line = {"row": str(row), "promise": promise, "test": self.test, "measured": measured, "at": time.time()}
        # One write of one line: several processes may add to the same file.
        with Path(path).open("ab", buffering=0) as file:
            file.write(orjson.dumps(line) + b"\n")
