"""Blows that fall on processes and servers for as long as the storm lasts."""

import asyncio
from typing import TYPE_CHECKING

from tests.faults.simulation.weather import Blow

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

#: How long a worker that was told to stop has to let go.
_LET_GO_S = 4.0


class Storm:
    """Deals blows; each that takes something away gives it back after a while."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def rage(self) -> None:
        """Deal blows until the storm is over."""
        world, rng = self._world, self._world.rng
        weather = world.weather
        deadline = world.loop.time() + weather.storm_s
        while world.loop.time() < deadline:
            await asyncio.sleep(rng.uniform(0, 2 * weather.every_s))
            if weather.blows and world.loop.time() < deadline:
                self._deal(rng.choice(weather.blows))
        world.say("the storm is over")
        world.clear_up()

    def _deal(self, blow: Blow) -> None:
        world, rng = self._world, self._world.rng
        world.say(f"blow: {blow}")
        name = rng.choice(list(world.hosts))
        match blow:
            case Blow.KILL:
                world.kill(name)
                self._later(rng.uniform(0.2, 6), lambda: self._revive(name))
            case Blow.STOP:
                self._stop(name)
            case Blow.FREEZE:
                self._freeze(name)
            case Blow.REDIS_DOWN:
                self._take_down("redis", rng.uniform(0.5, 25))
            case Blow.LEDGER_DOWN:
                self._take_down("ledger", rng.uniform(0.5, 25))
            case Blow.REDIS_BACK:
                world.roll_redis_back(rng.uniform(0.1, 8))
            case Blow.REDIS_LOST:
                world.lose_redis()
            case Blow.CLOCK:
                world.skew_s[rng.choice(("redis", "ledger"))] += rng.uniform(-20, 20)
            case Blow.QUEUE_LOST:
                world.broker.messages.clear()

    def _freeze(self, name: str) -> None:
        # Half of the times with its main process, as a container that is paused.
        rng = self._world.rng
        for each in (name, "parent") if rng.random() < 0.5 else (name,):
            process = self._world.hosts[each].process
            process.freeze()
            self._later(rng.uniform(0.5, 40), process.thaw)

    def _stop(self, name: str) -> None:
        world, host = self._world, self._world.hosts[name]
        world.say(f"{name} is told to stop")
        world.broker.hang_up(host.process)
        host.process.cancel_all()

        def make_sure() -> None:
            if world.hosts[name] is host:
                world.kill(name)
                self._revive(name)

        self._later(_LET_GO_S, make_sure)

    def _revive(self, name: str) -> None:
        if not self._world.hosts[name].process.is_alive:
            self._world.spawn(name)

    def _take_down(self, server: str, seconds: float) -> None:
        world = self._world
        world.down.add(server)

        def bring_up() -> None:
            world.down.discard(server)
            world.broker.serve()

        self._later(seconds, bring_up)

    def _later(self, seconds: float, then: "object") -> None:
        self._world.loop.call_later(seconds, then)  # type: ignore[arg-type]
