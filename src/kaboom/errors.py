"""The one tree of errors that Kaboom raises.

::

    KaboomError(message, *, retryable=False, retry_after_s=None)
    ├── InvalidRequest      the request is invalid: fix it
    ├── NotAuthorized       no token, or an invalid one
    ├── Forbidden           the caller is known, but may not do this
    ├── NotFound            nothing has this name, or it belongs to another caller
    ├── Conflict            the request is valid, but the state of its target forbids it
    ├── ProviderError       the source of bars failed
    │   ├── RequestRejected …for one request; other requests may succeed
    │   └── RateLimited     …and asked for a pause (retryable, retry_after_s)
    ├── StrategyFailed      a strategy of a user failed, or went beyond a limit
    ├── StoreError          a database, Redis or the bar store failed (retryable unless said otherwise)
    │   └── StoreDamaged    …because its data is damaged: a person must repair it (not retryable)
    ├── ConfigurationError  settings that cannot work; raised at start only
    ├── Unavailable         to a client: the server did not answer, or could not
    ├── TooManyRequests     …it asked for a longer pause than the client waits
    ├── NeedsServer         …only a running Kaboom can do this
    ├── JobFailed           …a job that was waited for failed, or was cancelled
    └── WaitTimedOut        …a job did not end in time; it goes on

A driver's own exceptions are translated in the driver's home, ``raise … from e``; HTTP statuses are
given in ``kaboom.web.errors`` alone. Messages say what was expected and what was found.
"""

from collections.abc import Mapping
from typing import Any


class KaboomError(Exception):
    """Base of every error that Kaboom raises on purpose."""

    def __init__(self, message: str, *, retryable: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class InvalidRequest(KaboomError):
    """The request is invalid."""

    def __init__(self, message: str, *, pointer: str = "") -> None:
        """Take the message and the JSON pointer of the invalid field, `""` for the whole request."""
        super().__init__(message)
        self.pointer = pointer


class NotAuthorized(KaboomError):
    """The caller has no token, or an invalid one."""


class Forbidden(KaboomError):
    """The caller is known, but may not do this."""


class NotFound(KaboomError):
    """Nothing of that name exists, or it belongs to somebody else."""

    @classmethod
    def of_id(cls, what: str, given: str) -> "NotFound":
        """Return the error for an id; the ids of `what` are 32 hex digits."""
        return cls(f"{what} {given!r} does not exist: an id is 32 hex digits")


class Conflict(KaboomError):
    """The request is valid, but the state of its target forbids it."""


class ProviderError(KaboomError):
    """A source of bars failed."""


class RequestRejected(ProviderError):
    """A source of bars rejected one request; other requests may succeed."""


class RateLimited(ProviderError):
    """A source of bars asked for a pause."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message, retryable=True, retry_after_s=retry_after_s)


class StrategyFailed(KaboomError):
    """A strategy of a user raised an error, went beyond a limit of time or memory, or ended its process."""


class StoreError(KaboomError):
    """A database, Redis or the bar store failed."""

    def __init__(self, message: str, *, retryable: bool = True, retry_after_s: float | None = 2.0) -> None:
        super().__init__(message, retryable=retryable, retry_after_s=retry_after_s)


class StoreDamaged(StoreError):
    """The data of a store on the disk is damaged; trying again does not help.

    Attributes:
        damage: what is damaged and how, without the command that repairs it; the message has both.

    """

    def __init__(self, damage: str, *, repair: str) -> None:
        super().__init__(f"{damage}; repair it with `{repair}`", retryable=False, retry_after_s=None)
        self.damage = damage


class ConfigurationError(KaboomError):
    """The settings are invalid."""


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
