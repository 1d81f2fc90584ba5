"""A main process drains at each SIGTERM, and is killed once at its deadline."""

import signal
import threading
from collections.abc import Iterator

import pytest

from kaboom.worker.shutdown import DEADLINE_S, Shutdown


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put the handlers of both signals back after the test."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGQUIT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def deadlines(shutdown: Shutdown) -> list[float]:
    """Return the running timers of a shutdown, and cancel them: each would end this process."""
    found = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    own = [timer for timer in found if timer.function == shutdown._force]
    for timer in own:
        timer.cancel()
    return [timer.interval for timer in own]


@pytest.mark.usefixtures("handlers")
def test_each_sigterm_drains_and_the_first_starts_the_deadline() -> None:
    told, drained = list[str](), list[int]()
    shutdown = Shutdown(lambda: told.append("signal"))
    shutdown.install()
    signal.signal(signal.SIGQUIT, lambda number, _frame: drained.append(number))
    for _ in range(2):
        signal.raise_signal(signal.SIGTERM)
    assert deadlines(shutdown) == [DEADLINE_S]
    assert (told, drained) == (["signal"], [signal.SIGTERM] * 2)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_sigterm_starts_the_deadline_without_a_handler_of_sigquit(handler: signal.Handlers) -> None:
    shutdown = Shutdown(lambda: None)
    shutdown.install()
    signal.signal(signal.SIGQUIT, handler)
    signal.raise_signal(signal.SIGTERM)
    assert deadlines(shutdown) == [DEADLINE_S]


@pytest.mark.usefixtures("handlers")
def test_a_requested_shutdown_calls_no_hook_of_the_signal() -> None:
    told = list[str]()
    shutdown = Shutdown(lambda: told.append("signal"))
    shutdown.install()
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    shutdown.request()
    assert deadlines(shutdown) == [DEADLINE_S]
    assert told == []
