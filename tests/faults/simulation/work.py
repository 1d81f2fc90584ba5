"""The made-up work: items whose true outcome is known beforehand, and bars that they leave."""

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from kaboom.errors import InvalidRequest, ProviderError
from kaboom.jobs.engine.run.completion import HandBack
from kaboom.jobs.engine.run.worker import Run
from kaboom.jobs.model import Chunk, Tally
from tests.fixtures.jobs.jobs import advance

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

POISON = "poison"
HOPELESS = "hopeless"


def draw_request(rng: Random, number: int) -> dict[str, Any]:
    """Return a request of some items; an item's name says how it will end."""
    words = rng.choices(("ok", "no_trades", "invalid", POISON), (12, 2, 2, 0.5), k=rng.randint(0, 8))
    if rng.random() < 0.05:
        words = [HOPELESS]
    return {"number": number, "items": [f"{number}.{place}.{word}" for place, word in enumerate(words)]}


def truth_of(item: str) -> str:
    """Return the outcome that an item must have."""
    return item.rpartition(".")[2]


def expected_outcomes(items: tuple[str, ...]) -> dict[str, int]:
    """Return how many items must end with each outcome."""
    return dict(Counter(truth_of(item) for item in items))


class Work:
    """The handlers of the simulated task."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def plan(self, run: Run) -> Tally:
        """Cut the request's items into chunks, differently each time: the first plan kept must win."""
        rng = self._world.rng
        items = list(run.request["items"])
        await asyncio.sleep(rng.uniform(0.01, 2.0))
        if any(truth_of(item) == HOPELESS for item in items):
            raise InvalidRequest("it cannot be done")
        self._stumble()
        chunks: list[Chunk] = []
        while items:
            size = rng.randint(1, 5)
            chunks.append(Chunk(str(len(chunks)), tuple(items[:size]), {"interval": "1m"}))
            items = items[size:]
        await run.fan_out({"chunks": len(chunks)}, chunks)
        return run.chunk.tally

    async def chunk(self, run: Run) -> Tally:
        """Settle the items left, one after the other."""
        rng, tally = self._world.rng, run.chunk.tally
        for item in run.chunk.items[tally.cursor :]:
            if run.should_stop():
                break
            await asyncio.sleep(rng.uniform(0.01, 2.0))
            self._stumble()
            if truth_of(item) == POISON:
                raise ValueError("this item cannot be read")
            if rng.random() < self._world.weather.hung:
                await asyncio.sleep(1e6)
            if truth_of(item) == "ok":
                await self._world.bars_wire.write(item)
            here = Chunk(run.chunk.n, run.chunk.items, {}, tally=tally)
            tally = advance(here, [truth_of(item)])
            run.report(tally)
        return tally

    def _stumble(self) -> None:
        drawn, broken = self._world.rng.random(), self._world.weather.broken
        # A third of them are a provider that wants to be left alone, for up to a minute.
        if drawn < broken / 3:
            raise HandBack("status was 429", pause_s=180.0 * drawn / broken)
        if drawn < broken:
            raise ProviderError("no answer in time", retryable=True)


class Bars:
    """What the work leaves behind: one bar for each item, the last write wins."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def write(self, item: str) -> None:
        """Write an item's bar."""
        self.kept[item] = f"bar of {item}"
