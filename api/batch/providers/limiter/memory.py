"""The turns of a provider in this process: the twin of the Redis limiter, for runs in one process and tests."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from batch.providers.limiter.port import Limits, Reason, Turn, Verdict, Wait
from batch.providers.limiter.rules import LONGEST_NAMED_S, POLL_S, backoff_s, leaves_after_s


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


class MemoryLimiter:
    """`Limiter` in memory, timed by `clock` in seconds. No step awaits, so each is atomic on one event loop."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._numbers = itertools.count(1)
        self._state = _State()

    async def ask(self) -> Turn | Wait:
        now, state = self._clock(), self._state
        self._tidy(now)
        if state.paused_until > now:
            return Wait(Reason.PAUSE, state.paused_until - now, state.message)
        is_trial = state.pauses > 0
        if is_trial and state.trial in state.held:
            return Wait(Reason.BUSY, POLL_S)
        if wait := self._find_limit(now):
            return wait
        turn = f"{state.epoch}:{next(self._numbers)}"
        state.held[turn] = now + self._limits.lease_s
        if is_trial:
            state.trial = turn
        return Turn(turn)

    async def keep(self, turn: Turn) -> None:
        if turn.turn_id in self._state.held:
            self._state.held[turn.turn_id] = self._clock() + self._limits.lease_s

    async def settle(self, turn: Turn, verdict: Verdict, *, pause_s: float | None = None, message: str = "") -> float:
        now, state = self._clock(), self._state
        named = None if pause_s is None else min(pause_s, LONGEST_NAMED_S)
        state.held.pop(turn.turn_id, None)
        state.recent[turn.turn_id] = now + leaves_after_s(self._limits)
        if int(turn.turn_id.partition(":")[0]) != state.epoch:
            if verdict is Verdict.LIMITED and named is not None and now + named > state.paused_until:
                state.paused_until, state.message = now + named, message
            return 0.0
        if verdict is Verdict.ANSWERED:
            state.failures = state.pauses = 0
        state.failures += verdict is Verdict.FAILED
        may_go_on = not state.pauses and state.failures < self._limits.failures
        if verdict in {Verdict.ANSWERED, Verdict.LEFT} or (verdict is Verdict.FAILED and may_go_on):
            return 0.0
        return self._begin_pause(now, named, message)

    async def close(self) -> None:
        pass

    def _begin_pause(self, now: float, named: float | None, message: str) -> float:
        state = self._state
        pause_s = backoff_s(self._limits, state.pauses) if named is None else named
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
        for turn, ends in [(turn, ends) for turn, ends in state.held.items() if ends <= now]:
            del state.held[turn]
            state.recent[turn] = ends + leaves_after_s(self._limits)
        state.recent = {turn: leaves for turn, leaves in state.recent.items() if leaves > now}
