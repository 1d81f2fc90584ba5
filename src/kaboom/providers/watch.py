"""Hooks around requests to providers, for metrics and for the watchdog; unset by default."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from enum import StrEnum

type Watch = Callable[[str], AbstractContextManager[None]]


class LimiterEvent(StrEnum):
    """An event of a provider's rate limiter; each is reported with a number of seconds."""

    WAITED = "waited"  # a request waited this long for a permit
    PAUSED = "paused"  # a pause of this length has begun


type Listener = Callable[[str, LimiterEvent, float], None]

_watches: list[Watch] = []
_listeners: list[Listener] = []
_alive: ContextVar[Callable[[], None] | None] = ContextVar("alive", default=None)


def watch_requests(watch: Watch | None) -> None:
    """Enter `watch(provider name)` around each request of this process; None removes the hook."""
    _watches[:] = [watch] if watch else []


def watched_request(provider: str) -> AbstractContextManager[None]:
    """Return the context in which to make one request; it does not catch errors."""
    return _watches[0](provider) if _watches else nullcontext()


def listen_to_waits(listener: Listener | None) -> None:
    """Call a listener for waits and pauses in this process; None removes it."""
    _listeners[:] = [listener] if listener else []


def report_event(provider: str, event: LimiterEvent, seconds: float) -> None:
    """Call the listener with an event of the provider's rate limiter; without a listener do nothing."""
    for listener in _listeners:
        listener(provider, event, seconds)


@contextmanager
def while_alive(call: Callable[[], None]) -> Iterator[None]:
    """Call `call` whenever a request in this context reports that it is still waiting."""
    token = _alive.set(call)
    try:
        yield
    finally:
        _alive.reset(token)


def report_waiting() -> None:
    """Report that a wait goes on, so that it does not count as a stall."""
    if call := _alive.get():
        call()
