"""A hook around each request to a provider, for whoever measures them; by default nobody does."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

type Watch = Callable[[str], AbstractContextManager[None]]

_watches: list[Watch] = []


def watch_requests(watch: Watch | None) -> None:
    """Have `watch(provider name)` entered around each request of this process; None takes it away."""
    _watches[:] = [watch] if watch else []


def watched_request(provider: str) -> AbstractContextManager[None]:
    """Return the context in which to make one request; an error of the request passes through it."""
    return _watches[0](provider) if _watches else nullcontext()
