"""Standard output and error of a program that must go on when nobody reads them any more."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

import structlog


class Lossy:
    """A stream that drops what cannot be written: its reader is gone, its terminal closed, its disk full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        # A closed stream raises a ValueError.
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def drop_unwritable_output() -> None:
    """Let writes to stdout and stderr never fail, from now on; also those of logs."""
    sys.stdout, sys.stderr = _wrap(sys.stdout), _wrap(sys.stderr)
    # By default structlog takes the stdout of its own import, which may be None.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stdout))


def _wrap(stream: TextIO | None) -> TextIO:
    # A stream that was closed before the start is None.
    return cast("TextIO", Lossy(stream or Path(os.devnull).open("w", encoding="utf-8")))
