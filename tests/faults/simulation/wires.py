"""The ways from a process to the servers: late, refused, unanswered or repeated, as the weather has it."""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from kaboom.errors import StoreError
from kaboom.jobs.engine.message import JobEvent
from kaboom.jobs.redis.store import ChunkRef
from tests.faults.simulation.virtual_loop import here

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

#: After this long a driver stops waiting, whatever became of the call.
_TIME_OUT_S = 2.5


class Wire:
    """A port as a process sees it over the network: every method of the target, with the weather in between."""

    def __init__(self, world: "World", server: str, target: object) -> None:
        self._world = world
        self._server = server
        self._target = target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        # A part of the server, such as the ledger's outbox, is reached the same way.
        return partial(self._call, name) if callable(found) else Wire(self._world, self._server, found)

    async def _call(self, method: str, *args: Any, **options: Any) -> Any:
        world, rng, weather = self._world, self._world.rng, self._world.weather
        await self._travel()
        if self._server in world.down or rng.random() < weather.refused:
            world.say(f"{self._server}.{method} refused")
            world.witness.see_refused(method, args)
            raise StoreError(f"{self._server} did not answer")
        answer = await self._take_effect(method, *args, **options)
        if self._server == "redis" and rng.random() < weather.repeated:
            world.say(f"{self._server}.{method} happens again")
            answer = await self._take_effect(method, *args, **options)
        await self._travel()
        if rng.random() < weather.unanswered:
            world.say(f"{self._server}.{method} unanswered")
            raise StoreError(f"{self._server} did not answer in time")
        return answer

    async def _take_effect(self, method: str, *args: Any, **options: Any) -> Any:
        # A twin does not wait, so this is atomic, as a script or a transaction is.
        try:
            answer = await getattr(self._target, method)(*args, **options)
        except Exception as e:
            self._world.say(f"{self._server}.{method}{_brief(args)} raised {type(e).__name__}: {e}")
            raise
        if self._world.is_traced:
            self._world.say(f"{self._server}.{method}{_brief(args)} -> {answer}")
        self._world.witness.see(method, args, answer)
        return answer

    async def _travel(self) -> None:
        self._world.let_go_if_over()
        rng = self._world.rng
        if rng.random() < self._world.weather.slow:
            await asyncio.sleep(rng.uniform(0.05, _TIME_OUT_S / 2))
        else:
            await asyncio.sleep(rng.uniform(0.0005, 0.01))


class Broker:
    """The queue's list, and the workers that wait at it; a message is taken at once and acknowledged early."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.messages: deque[ChunkRef] = deque()
        self._takers: deque[tuple[object, asyncio.Future[ChunkRef]]] = deque()

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        """Put messages in the list, as many of each as the weather has it."""
        rng, weather = self._world.rng, self._world.weather
        next_ones = {*islice(self.messages, 64)} if ahead else set()
        for ref in [ref for ref in refs if ref not in next_ones]:
            copies = 0 if rng.random() < weather.dropped else 2 if rng.random() < weather.doubled else 1
            for _ in range(copies):
                if ahead:
                    self.messages.appendleft(ref)
                elif rng.random() < weather.shuffled:
                    self.messages.insert(rng.randrange(len(self.messages) + 1), ref)
                else:
                    self.messages.append(ref)
        self.serve()

    async def show(self, event: JobEvent) -> None:
        """Do nothing: no monitor listens."""

    async def depth(self, queue: str) -> int:
        """Return how many messages wait."""
        return len(self.messages)

    async def take(self) -> ChunkRef:
        """Wait for a message."""
        self._world.let_go_if_over()
        taken: asyncio.Future[ChunkRef] = asyncio.get_running_loop().create_future()
        self._takers.append((here(), taken))
        self.serve()
        return await taken

    def hang_up(self, process: object) -> None:
        """Forget a dead worker's connection; what it was handed is lost with it."""
        self._takers = deque(taker for taker in self._takers if taker[0] is not process)

    def serve(self) -> None:
        """Hand messages to those who wait, unless the server is down."""
        while self.messages and self._takers and "redis" not in self._world.down:
            _, taken = self._takers.popleft()
            if not taken.done():
                taken.set_result(self.messages.popleft())


def _brief(args: tuple[Any, ...]) -> str:
    return "(" + ", ".join(str(arg)[:160] for arg in args) + ")"
