"""The rate limiter of a provider: each request waits for a permit, and reports how it ended."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Protocol

import structlog

from kaboom.drivers.retry import retry_while_unavailable
from kaboom.errors import ProviderError, RateLimited, StoreError
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.limiter.port import POLL_S, Permit, PermitStore, Reason, Result, Wait
from kaboom.providers.watch import LimiterEvent, report_event, report_waiting

#: The longest pause that a request waits out. The caller plans for a longer one.
LONGEST_WAIT_S = 30.0
#: How long the permit store may be unavailable, as during a restart, before a request fails.
_STORE_AWAY_S = 30.0
#: A third of a lease.
_RENEW_S = 10.0
_BUSY = Wait(Reason.BUSY, POLL_S)

_log = structlog.get_logger(__name__)
#: Enough to notice a slot that another process freed within about 10 ms; each asks ten times a second.
_MOST_ASKING = 4
#: How often a queued request reports that it is alive.
_ALIVE_S = 5.0


class RateLimiter(Protocol):
    """The context that a provider enters around each of its requests."""

    def permit(self) -> AbstractAsyncContextManager[None]:
        """Wait for a permit and hold it for the body, which makes one request and reads the whole answer.

        The exception that leaves the body says how the request ended. `RateLimited` begins a pause for all processes,
        as long as its `retry_after_s`. Several other retryable `ProviderError`s in a row begin one too, and the last
        is raised as `RateLimited`. One that is not retryable counts as an answer. Do not catch them inside: the
        provider would be asked again during its pause.

        ::

            async with self._rate_limiter.permit():
                reply = await self._http.get(path, params=params, headers=headers)
                if reply.status == 429:
                    raise RateLimited("status was 429", retry_after_s=…)

        Raises:
            RateLimited: the provider is paused for longer than a request waits; `retry_after_s` says how long.
            ProviderError: there was no permit because the permit store is unavailable (retryable).

        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class NoRateLimit:
    """A `RateLimiter` of a provider without limits."""

    def permit(self) -> AbstractAsyncContextManager[None]:
        """Return at once."""
        return contextlib.nullcontext()

    async def close(self) -> None:
        """Do nothing."""


class SharedRateLimiter:
    """A `RateLimiter` whose permits come from a store that processes share."""

    def __init__(
        self, provider: str, store: PermitStore, *, longest_wait_s: float = LONGEST_WAIT_S, renew_s: float = _RENEW_S
    ) -> None:
        self._provider = provider
        self._store = store
        self._longest_wait_s = longest_wait_s
        self._renew_s = renew_s
        self._queue = WaitQueue()

    @contextlib.asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        permit = await self._acquire()
        try:
            with self._renewed(permit):
                yield
        except RateLimited as e:
            await self._release(permit, Result.LIMITED, e)
            raise
        except ProviderError as e:
            pause_s = await self._release(permit, Result.FAILED if e.retryable else Result.ANSWERED, e)
            if pause_s:
                raise self._paused(pause_s, e.message) from e
            raise
        except BaseException:
            # Cancelled: the slot must be free for others.
            await asyncio.shield(self._release(permit, Result.UNKNOWN))
            raise
        else:
            await self._release(permit, Result.ANSWERED)

    async def close(self) -> None:
        await self._store.close()

    async def _acquire(self) -> Permit:
        with self._queue.join() as waiter:
            # If others queue already, all slots are taken.
            answer: Permit | Wait = _BUSY if self._queue.is_long else await self._ask()
            while not isinstance(answer, Permit):
                if answer.reason is Reason.PAUSE and answer.seconds > self._longest_wait_s:
                    raise self._paused(answer.seconds, answer.message)
                await self._wait(waiter.pause(_with_jitter(answer)))
                answer = await self._ask()
            return answer

    async def _wait(self, wait: Awaitable[None]) -> None:
        clock = asyncio.get_running_loop().time
        began_at = clock()
        await wait
        report_event(self._provider, LimiterEvent.WAITED, clock() - began_at)

    async def _ask(self) -> Permit | Wait:
        try:
            return await retry_while_unavailable(self._ask_once, for_s=_STORE_AWAY_S)
        except StoreError as e:
            raise ProviderError(f"{self._provider} was not asked: {e.message}", retryable=True) from e

    async def _ask_once(self) -> Permit | Wait:
        try:
            return await self._store.acquire()
        finally:
            # Waiting for a permit does not count as a stall, nor does waiting for the store.
            report_waiting()

    @contextlib.contextmanager
    def _renewed(self, permit: Permit) -> Iterator[None]:
        """Renew a permit until the `with` ends. Nearly all requests end sooner, so the task starts late."""
        renewing: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._renew_s, lambda: renewing.append(loop.create_task(self._renew(permit))))
        try:
            yield
        finally:
            timer.cancel()
            for task in renewing:
                task.cancel()

    async def _renew(self, permit: Permit) -> None:
        while True:
            with contextlib.suppress(StoreError):
                await self._store.renew(permit)
            await asyncio.sleep(self._renew_s)

    async def _release(self, permit: Permit, result: Result, error: ProviderError | None = None) -> float:
        named_s, message = (error.retry_after_s, error.message) if error else (None, "")
        # The waiter's request for a permit follows in the same round trip.
        self._queue.wake()
        try:
            pause_s = await self._store.release(permit, result, pause_s=named_s, message=message)
        except StoreError as e:
            # The lease expires by itself, and the provider's next answer reports the same.
            _log.warning("permit_not_released", provider=self._provider, result=result.value, reason=e.message)
            return 0.0
        if pause_s:
            report_event(self._provider, LimiterEvent.PAUSED, pause_s)
            _log.warning("provider_paused", provider=self._provider, seconds=round(pause_s, 1), reason=message)
        return pause_s

    def _paused(self, seconds: float, reason: str) -> RateLimited:
        return RateLimited(f"{self._provider} is paused: {reason}", retry_after_s=seconds)


def _with_jitter(wait: Wait) -> float:
    """Return how long to wait, spread so that not all waiters ask at the same moment."""
    least, most = (0.5, 1.5) if wait.reason is Reason.BUSY else (1.0, 1.1)
    return wait.seconds * random.uniform(least, most)  # noqa: S311  not a secret


class WaitQueue:
    """The waiting requests of this process, in their order."""

    def __init__(self) -> None:
        self._asking: dict[Waiter, None] = {}
        self._queued: deque[Waiter] = deque()

    @contextlib.contextmanager
    def join(self) -> Iterator["Waiter"]:
        """Join the queue for the time of a `with`, which ends with a permit or without."""
        waiter = Waiter(self)
        try:
            yield waiter
        finally:
            self._leave(waiter)

    def wake(self) -> None:
        """Let the first waiter ask at once: a slot is being freed in this process."""
        for waiter in self._asking:
            if waiter.wake():
                return

    @property
    def is_long(self) -> bool:
        """Whether requests are queued behind those that ask."""
        return bool(self._queued)

    def may_ask(self, waiter: "Waiter") -> bool:
        """Return whether a waiter is among those that ask; it joins them if there is room."""
        if waiter not in self._asking and len(self._asking) >= _MOST_ASKING:
            return False
        self._asking[waiter] = None
        return True

    @contextlib.contextmanager
    def queued(self, waiter: "Waiter") -> Iterator[None]:
        """Queue a waiter for the time of a `with`, unless it is moved up meanwhile."""
        self._queued.append(waiter)
        try:
            yield
        finally:
            if waiter not in self._asking:
                self._queued.remove(waiter)

    def _leave(self, waiter: "Waiter") -> None:
        self._asking.pop(waiter, None)
        while self._queued and len(self._asking) < _MOST_ASKING:
            first = self._queued.popleft()
            self._asking[first] = None
            first.wake()


class Waiter:
    """One request that waits for a permit."""

    def __init__(self, queue: WaitQueue) -> None:
        self._queue = queue
        self._until: asyncio.Future[None] | None = None

    async def pause(self, seconds: float) -> None:
        """Wait until it is worth asking again: for some seconds, until a slot is freed, or until it is moved up."""
        loop = asyncio.get_running_loop()
        self._until = loop.create_future()
        if not self._queue.may_ask(self):
            with self._queue.queued(self):
                while not self._until.done():
                    await asyncio.wait([self._until], timeout=_ALIVE_S)
                    report_waiting()
            return
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._until
        finally:
            timer.cancel()

    def wake(self) -> bool:
        """End a pause; return whether there was one."""
        if self._until is None or self._until.done():
            return False
        self._until.set_result(None)
        return True


def limit_calls(provider: BarProvider, rate_limiter: RateLimiter) -> BarProvider:
    """Return a provider each of whose `fetch_bars` calls needs a permit; the provider itself if it has no limits.

    A call that makes several requests would count as one. A provider that makes them enters the rate limiter around
    each of its requests instead.
    """
    return provider if isinstance(rate_limiter, NoRateLimit) else RateLimitedProvider(provider, rate_limiter)


class RateLimitedProvider:
    """`BarProvider` that calls another one with a permit for each `fetch_bars`."""

    def __init__(self, provider: BarProvider, rate_limiter: RateLimiter) -> None:
        self._provider = self.limited = provider
        self._rate_limiter = rate_limiter
        self.name, self.capabilities = provider.name, provider.capabilities

    async def fetch_universe(self, market: Market, session: date) -> tuple[str, ...] | None:
        return await self._provider.fetch_universe(market, session)

    async def fetch_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        return await self._provider.fetch_sessions(interval, count, until)

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return the provider's answer once there is a permit."""
        async with self._rate_limiter.permit():
            return await self._provider.fetch_bars(request)

    async def close(self) -> None:
        await self._rate_limiter.close()
        await self._provider.close()
