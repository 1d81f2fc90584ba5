"""The permits of a provider in this process, for runs without Redis and for tests."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kaboom.drivers.retry import backoff_s
from kaboom.providers.limiter.port import LONGEST_NAMED_S, POLL_S, Limits, Permit, Reason, Result, Wait


@dataclass(slots=True)
class _State:
    paused_until: float = 0.0
    message: str = ""
    pauses: int = 0
    epoch: int = 0
    failures: int = 0
    next_at: float = 0.0
    trial: str = ""
    held: dict[str, float] = field(default_factory=dict)
    recent: dict[str, float] = field(default_factory=dict)


class MemoryPermitStore:
    """`PermitStore` in memory, timed by `clock` in seconds. No step awaits, so each is atomic on one event loop."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        # A released permit counts for a thousandth more than the window, since clocks differ.
        self._counts_s = limits.window_s * 1.001
        self._clock = clock
        self._numbers = itertools.count(1)
        self._state = _State()

    async def acquire(self) -> Permit | Wait:
        now, state = self._clock(), self._state
        self._tidy(now)
        if state.paused_until > now:
            return Wait(Reason.PAUSE, state.paused_until - now, state.message)
        is_trial = state.pauses > 0
        if is_trial and state.trial in state.held:
            return Wait(Reason.BUSY, POLL_S)
        if wait := self._find_limit(now):
            return wait
        permit = f"{state.epoch}:{next(self._numbers)}"
        state.held[permit] = now + self._limits.lease_s
        if is_trial:
            state.trial = permit
        return Permit(permit)

    async def renew(self, permit: Permit) -> None:
        if permit.permit_id in self._state.held:
            self._state.held[permit.permit_id] = self._clock() + self._limits.lease_s

    async def release(
        self, permit: Permit, result: Result, *, pause_s: float | None = None, message: str = ""
    ) -> float:
        now, state = self._clock(), self._state
        named = None if pause_s is None else min(pause_s, LONGEST_NAMED_S)
        state.held.pop(permit.permit_id, None)
        state.recent[permit.permit_id] = now + self._counts_s
        if int(permit.permit_id.partition(":")[0]) != state.epoch:
            if result is Result.LIMITED and named is not None and now + named > state.paused_until:
                state.paused_until, state.message = now + named, message
            return 0.0
        if result is Result.ANSWERED:
            state.failures = state.pauses = 0
        state.failures += result is Result.FAILED
        may_go_on = not state.pauses and state.failures < self._limits.failures
        if result in {Result.ANSWERED, Result.UNKNOWN} or (result is Result.FAILED and may_go_on):
            return 0.0
        return self._begin_pause(now, named, message)

    async def close(self) -> None:
        pass

    def _begin_pause(self, now: float, named: float | None, message: str) -> float:
        state, first_s, longest_s = self._state, self._limits.first_pause_s, self._limits.longest_pause_s
        # Without jitter: requests that wait for the end of the pause are staggered by the rate limiter.
        grown_s = backoff_s(state.pauses, first_s=first_s, longest_s=longest_s, jitter=0.0)
        pause_s = grown_s if named is None else named
        state.paused_until, state.message, state.failures = now + pause_s, message, 0
        state.pauses += 1
        state.epoch += 1
        return pause_s

    def _find_limit(self, now: float) -> Wait | None:
        state, limits = self._state, self._limits
        if limits.concurrency is not None and len(state.held) >= limits.concurrency:
            return Wait(Reason.BUSY, POLL_S)
        if limits.requests is None:
            return None
        if len(state.held) + len(state.recent) >= limits.requests:
            return Wait(Reason.PACE, min(state.recent.values()) - now) if state.recent else Wait(Reason.BUSY, POLL_S)
        if state.next_at > now:
            return Wait(Reason.PACE, state.next_at - now)
        state.next_at = now + limits.window_s / limits.requests
        return None

    def _tidy(self, now: float) -> None:
        state = self._state
        for permit, ends in [(permit, ends) for permit, ends in state.held.items() if ends <= now]:
            del state.held[permit]
            state.recent[permit] = ends + self._counts_s
        state.recent = {permit: leaves for permit, leaves in state.recent.items() if leaves > now}
