"""Hooks around what is asked of providers, for whoever measures or keeps watch; by default nobody does."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from enum import StrEnum

type Watch = Callable[[str], AbstractContextManager[None]]


class Heard(StrEnum):
    """What is told of a provider that is asked politely; each with seconds."""

    WAITED = "waited"  # a request waits so long for its turn
    PAUSED = "paused"  # nobody asks it for so long


type Listener = Callable[[str, Heard, float], None]

_watches: list[Watch] = []
_listeners: list[Listener] = []
_alive: ContextVar[Callable[[], None] | None] = ContextVar("alive", default=None)


def watch_requests(watch: Watch | None) -> None:
    """Have `watch(provider name)` entered around each request of this process; None takes it away."""
    _watches[:] = [watch] if watch else []


def watched_request(provider: str) -> AbstractContextManager[None]:
    """Return the context in which to make one request; an error of the request passes through it."""
    return _watches[0](provider) if _watches else nullcontext()


def listen_to_waits(listener: Listener | None) -> None:
    """Have a listener told of waits and pauses in this process; None takes it away."""
    _listeners[:] = [listener] if listener else []


def tell(provider: str, heard: Heard, seconds: float) -> None:
    """Tell whoever listens."""
    for listener in _listeners:
        listener(provider, heard, seconds)


@contextmanager
def while_alive(call: Callable[[], None]) -> Iterator[None]:
    """Have `call` called for each sign of life that requests made in this context give while they wait."""
    token = _alive.set(call)
    try:
        yield
    finally:
        _alive.reset(token)


def tell_alive() -> None:
    """Give a sign of life: a wait goes on, or is over."""
    if call := _alive.get():
        call()
