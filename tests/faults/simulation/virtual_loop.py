"""An event loop whose time costs nothing and whose order a seed decides, and processes that die at any `await`."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any


class Process:
    """What lives and dies together: tasks, and the callbacks and timers that they wait for."""

    def __init__(self, name: str, loop: "VirtualLoop") -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.is_alive = True
        self.is_frozen = False
        self._loop = loop
        self._context = copy_context()
        self._context.run(_HERE.set, self)
        loop.processes.append(self)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a task in this process."""
        return self._loop.create_task(work, context=self._context.copy())

    def freeze(self) -> None:
        """Stop as on SIGSTOP: whatever falls due waits."""
        self.is_frozen = True
        self._loop.rest(self)

    def thaw(self) -> None:
        """Go on as on SIGCONT."""
        self.is_frozen = False
        self._loop.wake(self)

    def kill(self) -> None:
        """End as on SIGKILL: no task is resumed again, not even to clean up."""
        self.is_alive = False
        self._loop.rest(self)

    def cancel_all(self) -> None:
        """Cancel every task once, as a worker's loop does on SIGTERM."""
        for task in self.tasks:
            task.cancel()


_HERE: ContextVar[Process] = ContextVar("process")


def here() -> Process:
    """Return the process whose code runs."""
    return _HERE.get()


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one callback after another; where none is ready, time jumps to the next timer.

    Within a process callbacks keep asyncio's order; among processes the seed picks who goes on.
    """

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self._rng = rng
        self._now_s = 0.0
        self._numbers = 0
        self._timers: list[tuple[float, int, Process, asyncio.TimerHandle]] = []
        self._busy: list[Process] = []
        self.processes: list[Process] = []
        self.steps = 0
        self.outside = Process("outside", self)

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self._now_s

    def call_soon[*Ts](
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback in the process of its context."""
        context = context or copy_context()
        handle = asyncio.Handle(callback, args, self, context)
        self._make_ready(context.get(_HERE, self.outside), handle)
        return handle

    def call_at[*Ts](
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Queue a callback for a time."""
        context = context or copy_context()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, context.get(_HERE, self.outside), timer))
        return timer

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task; its process keeps it, so that one that is never resumed is never collected either."""
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        context = options.get("context") or copy_context()
        context.get(_HERE, self.outside).tasks.append(task)
        return task

    def drive(self, is_over: Callable[[], bool]) -> None:
        """Run until it is over, or nothing is left to run."""
        asyncio._set_running_loop(self)
        try:
            while not is_over() and self._advance():
                self._step()
        finally:
            asyncio._set_running_loop(None)

    def rest(self, process: Process) -> None:
        """Take a process off the row of those that may go on."""
        if process in self._busy:
            self._busy.remove(process)

    def wake(self, process: Process) -> None:
        """Put a process back on the row, if it has something to do."""
        if process.ready and process.is_alive and process not in self._busy:
            self._busy.append(process)

    def _step(self) -> None:
        place = int(self._rng.random() * len(self._busy))
        process = self._busy[place]
        handle = process.ready.popleft()
        if not process.ready:
            self._busy[place] = self._busy[-1]
            self._busy.pop()
        self.steps += 1
        if not handle.cancelled():
            handle._run()

    def _advance(self) -> bool:
        """Let time pass until somebody may go on; return whether anybody ever will."""
        while not self._busy:
            if not self._timers:
                return False
            when, _, process, timer = heapq.heappop(self._timers)
            if timer.cancelled():
                continue
            self._now_s = max(self._now_s, when)
            self._make_ready(process, timer)
        return True

    def _make_ready(self, process: Process, handle: asyncio.Handle) -> None:
        is_first = not process.ready
        process.ready.append(handle)
        if is_first and process.is_alive and not process.is_frozen:
            self._busy.append(process)
