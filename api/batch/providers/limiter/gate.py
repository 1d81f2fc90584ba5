"""The gate that each request to a provider passes: it waits for a turn, and tells the limiter what became of it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from batch.errors import ProviderError, RateLimited, StoreError
from batch.providers.limiter.line import Line
from batch.providers.limiter.port import Limiter, Reason, Turn, Verdict, Wait
from batch.providers.limiter.rules import POLL_S
from batch.providers.watch import Heard, tell, tell_alive

#: The longest pause that a request waits out; a longer one is the caller's to plan for.
PATIENCE_S = 30.0
#: How long the limiter's store may be away, as in a restart, before a request is given up.
_AWAY_S = 30.0
#: A third of a lease.
_KEEP_S = 10.0
_RETRY_S = 0.5
_BUSY = Wait(Reason.BUSY, POLL_S)

_log = structlog.get_logger(__name__)


class Gate(Protocol):
    """What a provider enters around every single request that it makes."""

    def request(self) -> AbstractAsyncContextManager[None]:
        """Wait for a turn, and hold it for the body, which makes one request and reads its whole answer.

        What the body raises tells how it went: `RateLimited` begins a pause for everybody, as long as its
        `retry_after_s` says; of other retryable `ProviderError`s some in a row begin one, and the last is raised as
        `RateLimited`; one that is not retryable is an answer like any other. Let them pass: a provider that turned
        a pause into an outcome would be asked on.

        ::

            async with self._gate.request():
                reply = await self._http.get(path, params=params, headers=headers)
                if reply.status == 429:
                    raise RateLimited("status was 429", retry_after_s=…)

        Raises:
            RateLimited: the provider is paused for longer than is worth waiting here; `retry_after_s` says how long.
            ProviderError: no turn could be had, since the limiter is away (retryable).

        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class OpenGate:
    """A `Gate` that lets everything pass: for a provider without limits."""

    def request(self) -> AbstractAsyncContextManager[None]:
        """Do nothing."""
        return contextlib.nullcontext()

    async def close(self) -> None:
        """Do nothing."""


class LimitedGate:
    """A `Gate` that a limiter keeps."""

    def __init__(
        self, provider: str, limiter: Limiter, *, patience_s: float = PATIENCE_S, keep_s: float = _KEEP_S
    ) -> None:
        self._provider = provider
        self._limiter = limiter
        self._patience_s = patience_s
        self._keep_s = keep_s
        self._line = Line()

    @contextlib.asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for the body."""
        turn = await self._take_turn()
        try:
            with self._kept(turn):
                yield
        except RateLimited as e:
            await self._settle(turn, Verdict.LIMITED, e)
            raise
        except ProviderError as e:
            pause_s = await self._settle(turn, Verdict.FAILED if e.retryable else Verdict.ANSWERED, e)
            if pause_s:
                raise self._refusal(pause_s, e.message) from e
            raise
        except BaseException:
            # Cut off: its slot is others'.
            await asyncio.shield(self._settle(turn, Verdict.LEFT))
            raise
        else:
            await self._settle(turn, Verdict.ANSWERED)

    async def close(self) -> None:
        """Release the limiter's connections."""
        await self._limiter.close()

    async def _take_turn(self) -> Turn:
        with self._line.join() as waiter:
            # Where others stand in line already, there is no need to be told so.
            answer: Turn | Wait = _BUSY if self._line.is_long else await self._ask()
            while not isinstance(answer, Turn):
                if answer.reason is Reason.PAUSE and answer.seconds > self._patience_s:
                    raise self._refusal(answer.seconds, answer.message)
                await self._wait(waiter.pause(_stagger(answer)))
                answer = await self._ask()
            return answer

    async def _wait(self, wait: Awaitable[None]) -> None:
        clock = asyncio.get_running_loop().time
        began_at = clock()
        await wait
        tell(self._provider, Heard.WAITED, clock() - began_at)

    async def _ask(self) -> Turn | Wait:
        give_up_at = asyncio.get_running_loop().time() + _AWAY_S
        while True:
            try:
                answer = await self._limiter.ask()
            except StoreError as e:
                if asyncio.get_running_loop().time() > give_up_at:
                    raise ProviderError(f"{self._provider} was not asked: {e.message}", retryable=True) from e
            else:
                # A chunk that waits for its turn is not hung.
                tell_alive()
                return answer
            tell_alive()
            await asyncio.sleep(_RETRY_S)

    @contextlib.contextmanager
    def _kept(self, turn: Turn) -> Iterator[None]:
        """Keep a turn for the time of a `with`. Nearly all are over before it is time to: a task each would be dear."""
        keeping: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._keep_s, lambda: keeping.append(loop.create_task(self._keep(turn))))
        try:
            yield
        finally:
            timer.cancel()
            for task in keeping:
                task.cancel()

    async def _keep(self, turn: Turn) -> None:
        while True:
            with contextlib.suppress(StoreError):
                await self._limiter.keep(turn)
            await asyncio.sleep(self._keep_s)

    async def _settle(self, turn: Turn, verdict: Verdict, error: ProviderError | None = None) -> float:
        pause_s, message = (error.retry_after_s, error.message) if error else (None, "")
        # Who is woken asks right behind this, in the same round trip: the place is not free for longer.
        self._line.wake()
        try:
            began_s = await self._limiter.settle(turn, verdict, pause_s=pause_s, message=message)
        except StoreError as e:
            # Its lease runs out by itself; the next answer of the provider says again what this one said.
            _log.warning("turn_not_settled", provider=self._provider, verdict=verdict.value, reason=e.message)
            return 0.0
        if began_s:
            tell(self._provider, Heard.PAUSED, began_s)
            _log.warning("provider_paused", provider=self._provider, seconds=round(began_s, 1), reason=message)
        return began_s

    def _refusal(self, seconds: float, reason: str) -> RateLimited:
        return RateLimited(f"{self._provider} is left alone: {reason}", retry_after_s=seconds)


def _stagger(wait: Wait) -> float:
    """Return how long to wait, a little apart from all the others that were told the same."""
    least, most = (0.5, 1.5) if wait.reason is Reason.BUSY else (1.0, 1.1)
    return wait.seconds * random.uniform(least, most)  # noqa: S311  not a secret
