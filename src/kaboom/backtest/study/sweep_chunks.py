"""A sweep cut into chunks: its plan, and the trials of one chunk; saved trials are not run again."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import batched
from typing import Any

from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.request import SweepRequest, count_combinations
from kaboom.backtest.strategies.files import StrategyKind
from kaboom.backtest.strategy import BarStrategy, WeightStrategy
from kaboom.backtest.study.bars import StudyBars
from kaboom.backtest.study.single import describe_bars
from kaboom.backtest.study.trials import TrialRunner, combination, dump_trials, find_trials, load_trials
from kaboom.backtest.study.windows import find_windows
from kaboom.backtest.summary import TestedBars
from kaboom.backtest.sweep import COLUMNS
from kaboom.drivers.stop import Stopped
from kaboom.errors import InvalidRequest
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome

#: Trials that are saved together: some seconds of work in Python, so that a crash loses little.
_MOST_KEPT = 50
_CELLS = 5_000_000
#: The most trials of a chunk.
_MOST_IN_CHUNK = 500
#: The item of the chunk that ends a sweep.
RESULT_ITEM = "result"

#: Saves some trials under a name; on return they are durable.
type Keep = Callable[[str, bytes], Awaitable[None]]
#: Returns the trials that were saved, by their names.
type Load = Callable[[], Awaitable[Mapping[str, bytes]]]


@dataclass(frozen=True, slots=True)
class SweepChunk:
    """Some trials of a sweep by their numbers, or the end of the sweep, which has none.

    A search is one chunk, and its numbers are only drawn.
    """

    items: tuple[str, ...]
    numbers: tuple[int, ...]

    def payload(self) -> Mapping[str, Any]:
        """Return the chunk without its items as JSON types."""
        return {"numbers": list(self.numbers)}


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """The plan of a sweep: its facts, and its chunks, of which the last one ends it."""

    facts: Mapping[str, Any]
    chunks: tuple[SweepChunk, ...]

    def summary(self) -> dict[str, Any]:
        """Return the plan without its chunks as JSON types."""
        return {"chunks": len(self.chunks), **self.facts}


@dataclass(frozen=True, slots=True)
class SweepTools:
    """The tools for running a chunk."""

    bars: StudyBars
    kind: StrategyKind
    request: SweepRequest
    keep: Keep
    load: Load


def plan_sweep(bars: StudyBars, kind: StrategyKind, request: SweepRequest, *, slots: int) -> SweepPlan:
    """Return the plan of a sweep for a number of slots.

    Raises:
        InvalidRequest: no combination is allowed, or there are too few bars for the parts of the sweep.

    """
    find_windows(request, bars.panel)
    trials = find_trials(request, lambda values: _weights(kind, values))
    if request.is_search:
        parts = [SweepChunk(tuple(f"trial {n}" for n in range(1, len(trials) + 1)), trials)]
    else:
        size = request.chunk_size or min(_MOST_IN_CHUNK, max(1, math.ceil(len(trials) / (4 * slots))))
        parts = [SweepChunk(tuple(_name(request, n) for n in some), some) for some in batched(trials, size)]
    facts = TestedBars(**describe_bars(bars, kind, request)).model_dump(mode="json")
    facts |= {"trials": len(trials), "combinations": count_combinations(request.parameters), "rank_by": request.rank_by}
    return SweepPlan(facts, (*parts, SweepChunk((RESULT_ITEM,), ())))


async def run_sweep_chunk(
    chunk: SweepChunk,
    tools: SweepTools,
    *,
    start: int = 0,
    on_progress: Callable[[OutcomeReport], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> OutcomeReport:
    """Run the trials of a chunk from number `start`; return the outcomes from there on.

    `on_progress` gets the report so far when the trials in it are saved. If `should_stop` turns true, the report ends
    early.

    Raises:
        StoreError: trials could not be saved; the reports that `on_progress` got stay valid.

    """
    report, request = OutcomeReport(), tools.request
    windows = find_windows(request, tools.bars.panel)
    runner = TrialRunner(tools.bars.panel, windows, request, len(chunk.numbers))
    tried = await _load_tried(tools, start) if request.is_search else {}
    step = _step(tools.bars)

    def strategy_of(number: int) -> WeightStrategy:
        return _weights(tools.kind, combination(request.parameters, number))

    def choose(at: int) -> tuple[int, ...]:
        if not request.is_search:
            return chunk.numbers[at : at + step]
        from kaboom.backtest.study.search import choose_trials  # noqa: PLC0415 (0.5 s, for searches alone)

        return choose_trials(request, tried, chunk.numbers, strategy_of)

    def run(at: int) -> tuple[tuple[int, ...], Floats]:
        numbers = choose(at)
        return numbers, runner.run([strategy_of(number) for number in numbers], should_stop)

    at = start
    while at < len(chunk.items):
        try:
            # In a thread, with the parameters: the process of a user's strategy checks them.
            numbers, values = await asyncio.to_thread(run, at)
        except Stopped:
            break
        await tools.keep(f"{at if request.is_search else numbers[0]:08d}", dump_trials(numbers, values))
        tried |= zip(numbers, _ranks(request, values), strict=True)
        done = chunk.items[at : at + len(numbers)]
        report += OutcomeReport(tuple(SymbolOutcome(item, Outcome.OK) for item in done))
        on_progress(report)
        at += len(numbers)
    return report


async def _load_tried(tools: SweepTools, count: int) -> dict[int, float]:
    """Return what the first trials of a search were ranked by, in the order in which they ran."""
    tried = dict[int, float]()
    for name, content in sorted((await tools.load()).items()):
        if int(name) < count:
            numbers, values = load_trials(content)
            tried |= zip(numbers, _ranks(tools.request, values), strict=True)
    return tried


def _ranks(request: SweepRequest, values: Floats) -> list[float]:
    """Return what trials are ranked by, of `[windows, trials, COLUMNS]`: a column of the last window."""
    ranks: list[float] = values[-1, :, COLUMNS.index(request.rank_by)].tolist()
    return ranks


def _step(bars: StudyBars) -> int:
    n, m = bars.panel.shape
    return max(1, min(_MOST_KEPT, _CELLS // (n * m)))


def _weights(kind: StrategyKind, parameters: Mapping[str, Any]) -> WeightStrategy:
    strategy = kind.parse(parameters)
    if isinstance(strategy, BarStrategy):
        raise InvalidRequest(f"strategy {kind.name} has on_bar, and a sweep needs targets", pointer="/strategy")
    return strategy


def _name(request: SweepRequest, number: int) -> str:
    return " ".join(f"{name}={value}" for name, value in combination(request.parameters, number).items())
