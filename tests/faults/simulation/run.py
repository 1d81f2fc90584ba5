"""One run: a seed, a world, a storm, a quiet end, a verdict."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

import structlog

from kaboom.catalog import CATALOG
from kaboom.jobs.engine import lifecycle
from kaboom.jobs.engine.run import heartbeat as stall_clock
from kaboom.jobs.job_type import load_function
from kaboom.settings import AppSettings, load_settings
from tests.faults.simulation.clients import Client
from tests.faults.simulation.storm import Storm
from tests.faults.simulation.verdict import is_quiet, judge
from tests.faults.simulation.virtual_loop import VirtualLoop
from tests.faults.simulation.weather import Weather, forecast
from tests.faults.simulation.world import World
from tests.fixtures.workers.handlers import SCRIPT, SCRIPTED

#: Everything must have ended this long after the storm: three stalls of 120 s, and the patience of 600 s.
_QUIET_WITHIN_S = 1500.0
#: More callbacks than this and the world turns in circles.
_MOST_STEPS = 400_000


@dataclass(frozen=True)
class Verdict:
    """How a run went: what was breached, in how many steps, and how long it took in virtual seconds."""

    seed: int
    breaches: tuple[str, ...]
    steps: int
    elapsed_s: float
    trace: tuple[str, ...]


def simulate(seed: int, *, is_traced: bool = False, weather: Weather | None = None) -> Verdict:
    """Run one seed; the same seed takes the same steps."""
    _load_handlers()
    rng = Random(seed)
    world = World(rng, weather or forecast(rng), _settings(), is_traced=is_traced)
    with _seeded(world, seed):
        try:
            _live(world)
            breaches = tuple(world.witness.breaches) or tuple(judge(world))
        finally:
            _bury(world)
    return Verdict(seed, breaches, world.loop.steps, world.loop.time(), tuple(world.trace))


def _live(world: World) -> None:
    world.open()
    outside = world.loop.outside
    clients = [Client(world, number) for number in range(world.weather.jobs)]
    visits = [outside.start(client.run()) for client in clients]
    for visit in visits:
        visit.add_done_callback(world.witness.see_end)
    plot = [*visits, outside.start(Storm(world).rage())]
    deadline = world.weather.storm_s + _QUIET_WITHIN_S

    async def watch() -> None:
        while not (all(task.done() for task in plot) and is_quiet(world)):
            if world.loop.time() > deadline:
                world.witness.blame(f"not quiet after {deadline:g} s")
                return
            await asyncio.sleep(1.0)

    end = outside.start(watch())
    world.loop.drive(lambda: end.done() or bool(world.witness.breaches) or world.loop.steps > _MOST_STEPS)
    if world.loop.steps > _MOST_STEPS:
        world.witness.blame(f"still busy after {_MOST_STEPS} steps")
    if end.done() and (error := end.exception()):
        raise error


def _bury(world: World) -> None:
    """End every task, also those of the killed, so that no half-run coroutine is left for the collector."""
    world.is_over = True
    loop: VirtualLoop = world.loop
    while left := [task for process in loop.processes for task in process.tasks if not task.done()]:
        for process in loop.processes:
            process.is_alive = True
            process.thaw()
        for task in left:
            task.cancel()
        loop.drive(lambda left=left: all(task.done() for task in left))  # type: ignore[misc]
    loop.close()


@cache
def _load_handlers() -> None:
    """Load the handlers beforehand: under virtual time there are no threads."""
    asyncio.run(load_function(SCRIPTED.plan_step))


@cache
def _settings() -> AppSettings:
    return load_settings(disable_redis=True, disable_celery=True, bar_store="memory", database_url=None)


@contextmanager
def _seeded(world: World, seed: int) -> Iterator[None]:
    """Give the core the seed's randomness and the loop's time where it takes them from the system."""
    state = random.getstate()
    random.seed(seed)
    ids = Random(seed)
    configured = structlog.get_config()
    structlog.configure(processors=[_log_into(world)], cache_logger_on_first_use=False)
    SCRIPT.update(plan=world.work.plan, chunk=world.work.chunk)
    try:
        with (
            patch.object(lifecycle, "uuid4", lambda: UUID(int=ids.getrandbits(128), version=4)),
            patch.dict(CATALOG._by_name, {SCRIPTED.name: SCRIPTED}),
            # Virtual time knows no wait for a CPU.
            patch.object(stall_clock, "read_cpu_waits", dict),
        ):
            yield
    finally:
        SCRIPT.clear()
        random.setstate(state)
        structlog.configure(**configured)


def _log_into(world: World) -> Any:
    def record(_logger: object, _method: str, event: dict[str, Any]) -> Any:
        world.say(f"log: {event}")
        raise structlog.DropEvent

    return record
