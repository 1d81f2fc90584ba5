"""Logs: one JSON object per line for Cloud Logging, or plain lines on a terminal; the context is in contextvars."""

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache, partial
from typing import Any, TextIO

import orjson
import structlog

from kaboom.drivers.printable import clean, clean_json

_SECRET_WORDS = ("token", "password", "secret", "authorization", "api_key", "_url")
#: Matches a password in a URL, and the value after the name of a secret, which errors of drivers may contain.
_SECRET_IN_TEXT = re.compile(
    r"(?P<address>://[^/\s:@]*:)[^/\s@]+(?=@)"
    r"|(?P<name>(?:token|password|passwd|secret|authorization|api_?key)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?)[^\s\"'&,;]+",
    re.IGNORECASE,
)

_LEVELS = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}

#: Gets each redacted line of Kaboom's own loggers; it must not block, raise or change the line.
type Tap = Callable[[Mapping[str, Any]], None]
_taps: list[Tap] = []
# A forked child must not write to the taps of its parent.
os.register_at_fork(after_in_child=_taps.clear)


def tap_lines(tap: Tap) -> Callable[[], None]:
    """Also pass every line of Kaboom's own loggers, of any level, to a tap; return the function that removes it."""
    _taps.append(tap)

    def end() -> None:
        with contextlib.suppress(ValueError):
            _taps.remove(tap)

    return end


def configure_logging(*, log_format: str, level: str, trace_project: str | None = None) -> None:
    """Send structlog and the standard library's loggers to stderr in one format.

    With a project of Google Cloud, JSON lines of a request name its trace as Cloud Run's own log of requests does.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    stream = sys.stderr
    structlog.configure(
        processors=[
            *shared,
            _pass_to_taps,
            partial(_drop_below, _LEVELS[level.lower()]),
            *_ending(log_format, trace_project),
        ],
        logger_factory=lambda name="": _Lines(name, stream),
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_ending(log_format, trace_project),
            ],
        )
    )
    # No format shows the thread or the process, so records need not look them up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Too many lines: uvicorn logs one for each poll, and Celery two for each chunk, besides Kaboom's own two.
    for name in ("uvicorn.access", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _Lines:
    """Writes finished lines of a named logger; records of the standard library would double the cost of a line."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name, self._stream = name, stream

    def msg(self, line: str) -> None:
        # Ignore a closed stream, like the handlers of the standard library.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


def _drop_below(least: int, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if _LEVELS[event["level"]] < least:
        raise structlog.DropEvent
    return event


def _ending(log_format: str, trace_project: str | None) -> list[structlog.typing.Processor]:
    if log_format == "console":
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        return [structlog.processors.format_exc_info, _clean, renderer]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        _severity,
        partial(_name_trace, trace_project),
        structlog.processors.JSONRenderer(serializer=_to_json),
    ]


def _to_json(event: Any, default: Callable[[Any], Any]) -> str:
    try:
        line = orjson.dumps(event, default=default).decode()
        return line if line.isascii() else clean_json(line)
    except TypeError:  # a number of more than 64 bits, or a text that is not Unicode
        return json.dumps(event, default=default)


def _severity(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Cloud Logging reads this field, and an alert counts ERROR lines by it.
    event["severity"] = str(event.pop("level", "info")).upper()
    return event


def _name_trace(
    project: str | None, _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if project and (trace_id := event.pop("trace_id", None)):
        event["logging.googleapis.com/trace"] = f"projects/{project}/traces/{trace_id}"
    return event


def _clean(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Values that are not strings are shown by `repr`, which escapes control characters.
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = clean(value, keep_lines=key in {"event", "exception"})
    return event


def _redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if _is_secret(key):
            event[key] = "***"
        # Both patterns need `=` or `:`; most values, such as ids and names, have neither.
        elif isinstance(value, str) and ("=" in value or ":" in value):
            event[key] = _SECRET_IN_TEXT.sub(_star, value)
    return event


def _star(found: re.Match[str]) -> str:
    return f"{found['address'] or found['name']}***"


def _pass_to_taps(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for tap in _taps:
        tap(event)
    return event


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_WORDS)
