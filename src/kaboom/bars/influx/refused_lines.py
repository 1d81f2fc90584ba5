"""Lines that InfluxDB refused, kept in a file with the reason, for people to review."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from kaboom.drivers.clock import Clock, utc_now

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RefusedLines:
    """A file of JSON lines, `{"at", "bucket", "reason", "line"}`, that a process and its forks append to.

    Their symbols are `write_failed`, whether or not the lines can be kept here.
    """

    path: Path
    most_bytes: int = 64 << 20
    clock: Clock = utc_now

    def keep(self, bucket: str, refused: Sequence[tuple[str, str]]) -> int:
        """Append refused lines with their reasons; return how many were kept: all, or 0 if the file or disk is full."""
        at = self.clock()
        text = b"".join(
            orjson.dumps({"at": at, "bucket": bucket, "reason": reason, "line": line}) + b"\n"
            for line, reason in refused
        )
        error: str | None = "the file is full"
        try:
            if self._append(text):
                return len(refused)
        except OSError as e:
            error = e.strerror
        _log.warning("refused_lines_not_kept", path=str(self.path), lines=len(refused), error=error)
        return 0

    def _append(self, text: bytes) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.fstat(file).st_size + len(text) > self.most_bytes:
                return False
            # One write, so that lines of several processes do not mix.
            return os.write(file, text) == len(text)
        finally:
            os.close(file)
