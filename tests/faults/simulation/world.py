"""A small Kaboom in one thread: an API, workers, a Redis, a ledger and their clients, all at the mercy of a seed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

from kaboom.errors import KaboomError, StoreError
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.engine.run.worker import perform
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.workers import WorkerFacts
from kaboom.jobs.runs import name_slot
from kaboom.settings import AppSettings
from tests.faults.simulation.failover import Backup
from tests.faults.simulation.virtual_loop import Process, VirtualLoop, here
from tests.faults.simulation.weather import CALM, Blow, Weather
from tests.faults.simulation.wires import Broker, Wire
from tests.faults.simulation.witness import Witness
from tests.faults.simulation.work import Bars, Work
from tests.fixtures.jobs.memory_parts import memory_parts

_BEGIN = datetime(2026, 11, 25, 7, 35, tzinfo=UTC)


@dataclass(eq=False)
class Host:
    """A process by role: what runs in it, and whom it leaves without an answer when it dies."""

    process: Process
    jobs: Jobs
    callers: set["asyncio.Future[Any]"] = field(default_factory=set)


class World:
    """Everything there is in one run of the simulation."""

    def __init__(self, rng: Random, weather: Weather, settings: AppSettings, *, is_traced: bool) -> None:
        self.rng = rng
        self.weather = weather
        self.loop = VirtualLoop(rng)
        self.skew_s = {"redis": 0.0, "ledger": 0.0}
        self.down: set[str] = set()
        self.store = MemoryJobStore(clock=lambda: self._clock("redis"))
        self.history = MemoryJobHistory(clock=lambda: self._clock("ledger"))
        self.broker = Broker(self)
        self.bars = Bars()
        self.bars_wire = Wire(self, "bars", self.bars)
        self.work = Work(self)
        self.witness = Witness(self)
        self.hosts: dict[str, Host] = {}
        self.trace: list[str] = []
        self.is_over = False
        self.was_rolled_back = False
        self.is_traced = is_traced
        parts = memory_parts(settings, name="simulation")
        self._parts = replace(parts, history=self.history, store=self.store, events=self.store.events)
        self._backups: list[tuple[float, Backup]] = []
        self._pids: dict[int, Process] = {}

    def say(self, text: str) -> None:
        """Add a step to the trace."""
        if self.is_traced:
            self.trace.append(f"{self.loop.time():9.3f}  {here().name:12}  {text}")

    def let_go_if_over(self) -> None:
        """End the task at hand once the run is judged."""
        if self.is_over:
            raise asyncio.CancelledError

    def open(self) -> None:
        """Start every process."""
        for name in ("api", "parent", *(f"worker-{n}" for n in range(self.weather.workers))):
            self.spawn(name)
        if Blow.REDIS_BACK in self.weather.blows:
            self.loop.outside.start(self._back_up())

    def spawn(self, name: str) -> None:
        """Start a process anew, by what its name says it is."""
        process = Process(name, self.loop)
        if name.startswith("worker"):
            self._pids[len(self._pids) + 1] = process
        wired = replace(
            self._parts,
            store=cast("Any", Wire(self, "redis", self.store)),
            history=cast("Any", Wire(self, "ledger", self.history)),
            dispatcher=cast("Any", Wire(self, "redis", self.broker)),
            name=self._name(name),
        )
        self.hosts[name] = Host(process, Jobs(wired))
        work = self._consume(wired) if name.startswith("worker") else Reaper(wired).run()
        process.start(work).add_done_callback(self.witness.see_end)
        if name == "parent":
            process.start(self._report(wired)).add_done_callback(self.witness.see_end)

    def kill(self, name: str) -> None:
        """Kill a process; its callers' connections break, and so does its own to the queue."""
        host = self.hosts[name]
        host.process.kill()
        self.broker.hang_up(host.process)
        for caller in host.callers:
            if not caller.done():
                caller.set_exception(StoreError("connection reset"))

    @property
    def is_clock_wrong(self) -> bool:
        """Whether a server's clock has jumped."""
        return any(self.skew_s.values())

    def living_pids(self) -> tuple[int, ...]:
        """Return the numbers of the worker processes that are alive; a frozen one is."""
        return tuple(pid for pid, process in self._pids.items() if process.is_alive)

    async def ask[T](self, question: Callable[[Jobs], Awaitable[T]]) -> T:
        """Ask the API, as a client does."""
        host = self.hosts["api"]
        if not host.process.is_alive:
            raise StoreError("connection refused")
        answer: asyncio.Future[T] = self.loop.create_future()
        host.callers.add(answer)

        async def serve() -> None:
            try:
                found = await question(host.jobs)
            except KaboomError as e:
                if not answer.done():
                    answer.set_exception(e)
            else:
                if not answer.done():
                    answer.set_result(found)

        host.process.start(serve()).add_done_callback(self.witness.see_end)
        try:
            return await answer
        finally:
            host.callers.discard(answer)

    def lose_redis(self) -> None:
        """Empty the Redis, with all messages."""
        self._backups.clear()
        self._become(Backup.of_nothing())

    def roll_redis_back(self, seconds: float) -> None:
        """Make the Redis what it was some seconds ago."""
        self.was_rolled_back = True
        until = self.loop.time() - seconds
        while self._backups and self._backups[-1][0] > until:
            self._backups.pop()
        self._become(self._backups[-1][1] if self._backups else Backup.of_nothing())

    def clear_up(self) -> None:
        """End the storm: every server answers, and every process lives."""
        self.weather = replace(CALM, jobs=self.weather.jobs, workers=self.weather.workers)
        self.down.clear()
        for name, host in list(self.hosts.items()):
            if not host.process.is_alive:
                self.spawn(name)
            elif host.process.is_frozen:
                host.process.thaw()
        self.broker.serve()

    def _become(self, backup: Backup) -> None:
        backup.restore(self.store, self.broker.messages)
        self.witness.forget_redis(backup.claims)

    async def _consume(self, parts: Parts) -> None:
        while True:
            ref = await self.broker.take()
            self.say(f"takes {ref.job_id[:6]}|{ref.n}")
            try:
                word = await perform(parts, ref)
            except KaboomError as e:
                word = e.message
            self.say(f"ends {ref.job_id[:6]}|{ref.n}: {word}")

    def _name(self, host: str) -> str:
        """Return the name under which a host claims: a slot of the one worker, whose main process is `parent`."""
        return name_slot("parent", int(host[7:]) + 1, pid=len(self._pids)) if host.startswith("worker") else host

    async def _report(self, parts: Parts) -> None:
        """Report the worker and its living processes, as the main process does."""
        while True:
            with suppress(KaboomError):
                facts = WorkerFacts("here", parts.catalog.queues, _BEGIN, pids=self.living_pids())
                await parts.store.report_worker(parts.name, self.weather.workers, facts=facts)
            await asyncio.sleep(5.0)

    async def _back_up(self) -> None:
        while not self.is_over:
            self._backups.append((self.loop.time(), Backup.of(self.store, self.broker.messages, self.witness.claims)))
            await asyncio.sleep(0.5)

    def _clock(self, server: str) -> datetime:
        return _BEGIN + timedelta(seconds=self.loop.time() + self.skew_s[server])
