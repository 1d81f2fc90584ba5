"""The one tree of errors that Kaboom raises.

::

    KaboomError(message, *, retryable=False, retry_after_s=None)
    ├── InvalidRequest      the caller asked for something that cannot be: fix the request
    ├── NotAuthorized       no token, or one that does not count
    ├── Forbidden           a known caller, who may not do this
    ├── NotFound            nothing of that name, or not yours
    ├── Conflict            right request, wrong moment: the thing's state forbids it
    ├── ProviderError       the source of bars failed
    │   ├── RequestRejected …one request alone; another one may be answered
    │   └── RateLimited     …and told us to slow down (retryable, retry_after_s)
    ├── StoreError          a database, Redis or the bar store failed (retryable unless said otherwise)
    │   └── StoreDamaged    …and what it keeps cannot be read: a person must mend it (not retryable)
    └── ConfigurationError  settings that cannot work; raised at start only

A driver's own exceptions are translated in the driver's home, ``raise … from e``; HTTP statuses are
given in ``app.errors`` alone. Messages say what was expected and what it was.
"""


class KaboomError(Exception):
    """Base of every error that Kaboom raises on purpose."""

    def __init__(self, message: str, *, retryable: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class InvalidRequest(KaboomError):
    """The request asks for something that cannot be."""

    def __init__(self, message: str, *, pointer: str = "") -> None:
        """Take the message and the JSON pointer of the offending field, `""` for the whole."""
        super().__init__(message)
        self.pointer = pointer


class NotAuthorized(KaboomError):
    """The caller has no token, or one that does not count."""


class Forbidden(KaboomError):
    """The caller is known, and may not do this."""


class NotFound(KaboomError):
    """Nothing of that name exists, or it belongs to somebody else."""


class Conflict(KaboomError):
    """The request is right but the state of its target forbids it."""


class ProviderError(KaboomError):
    """A source of bars failed."""


class RequestRejected(ProviderError):
    """A source of bars rejected one request; another one may be answered."""


class RateLimited(ProviderError):
    """A source of bars asked for a pause."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message, retryable=True, retry_after_s=retry_after_s)


class StoreError(KaboomError):
    """A database, Redis or the bar store failed."""

    def __init__(self, message: str, *, retryable: bool = True, retry_after_s: float | None = 2.0) -> None:
        super().__init__(message, retryable=retryable, retry_after_s=retry_after_s)


class StoreDamaged(StoreError):
    """What a store keeps on the disk is damaged; trying again does not help.

    Attributes:
        damage: what is damaged and how, without the command that mends it; the message has both.

    """

    def __init__(self, damage: str, *, mend: str) -> None:
        super().__init__(f"{damage}; mend it with `{mend}`", retryable=False, retry_after_s=None)
        self.damage = damage


class ConfigurationError(KaboomError):
    """The settings cannot work as they are."""
