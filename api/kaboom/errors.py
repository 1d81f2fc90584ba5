"""The errors of the client: those of Kaboom, and those of the connection to it.

::

    KaboomError             every error that Kaboom raises on purpose
    ├── InvalidRequest      the request is invalid
    ├── NotAuthorized       no token, or an invalid one
    ├── Forbidden           the token may not do this
    ├── NotFound            there is no such thing, or it belongs to another owner
    ├── Conflict            right request, wrong moment
    ├── StoreError          the bars of a folder cannot be read
    ├── Unavailable         the server did not answer, or could not
    ├── TooManyRequests     the server asked for a longer pause than the client waits
    ├── NeedsServer         only a running Kaboom can do this
    ├── JobFailed           a job that was waited for failed, or was cancelled
    └── WaitTimedOut        a job did not end in time; it goes on
"""

from collections.abc import Mapping
from typing import Any

from batch.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    KaboomError,
    NotAuthorized,
    NotFound,
    StoreError,
)

__all__ = [
    "Conflict",
    "Forbidden",
    "InvalidRequest",
    "JobFailed",
    "KaboomError",
    "NeedsServer",
    "NotAuthorized",
    "NotFound",
    "Problem",
    "StoreError",
    "TooManyRequests",
    "Unavailable",
    "WaitTimedOut",
]


class Unavailable(KaboomError):
    """The server did not answer, or answered that it cannot."""


class TooManyRequests(KaboomError):
    """The server asked for a pause; `retry_after_s` says how long."""


class NeedsServer(KaboomError):
    """The bars of a folder are read without a server, and this needs one."""


class JobFailed(KaboomError):
    """A job failed or was cancelled; `job` is its record as the API gave it."""

    def __init__(self, message: str, job: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.job = job


class WaitTimedOut(KaboomError):
    """A job did not end in time; it is still running."""


class Problem(Exception):
    """The answer that an error was made from: its status, and the problem (RFC 9457), {} where it was none."""

    def __init__(self, status: int, said: Mapping[str, Any], text: str) -> None:
        super().__init__(text)
        self.status = status
        self.said = said
        self.text = text
