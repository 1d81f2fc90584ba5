"""A strategy of users in its own process decides what it decides in the process of a person, bit by bit."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kaboom.backtest.request import BacktestRequest, SweepRequest
from kaboom.backtest.strategies.files import load_strategy_file
from kaboom.backtest.study import sweep_chunks
from kaboom.backtest.study.selection import SweepEnd, end_sweep
from kaboom.backtest.study.single import run_backtest, run_stoppable
from kaboom.backtest.study.trials import join_trials
from kaboom.drivers.stop import never
from kaboom.errors import InvalidRequest, StrategyFailed
from tests.backtest.study.test_study import ASKED, load
from tests.fixtures.backtest.own import opened
from tests.fixtures.backtest.panels import random_panel

DRAWN = """
import random

import numpy as np
from kaboom.backtest.strategies.settings import StrategySettings


class Strategy(StrategySettings):
    bars: int = 5

    def targets(self, panel):
        weights = np.full(panel.shape, np.nan)
        weights[:: self.bars] = random.random() / 4
        weights[1 :: self.bars] = np.random.random() / 4
        return weights
"""
CALLED = """
import random


class Strategy:
    def __init__(self, often=3):
        self.often = often

    def prepare(self, panel):
        self.last = panel.adjusted("last")

    def on_bar(self, context):
        symbol = random.choice(context.symbols)
        kind, last = random.randrange(8), context.last(symbol)
        if not (context.is_listed(symbol) and last > 0) or context.bar % self.often:
            return
        if kind == 0:
            context.buy(symbol, 100)
        elif kind == 1:
            context.buy(symbol, 200, limit=last * 0.99, stop=last * 0.9, take=last * 1.2)
        elif kind == 2:
            context.sell(symbol, 100, stop_at=last * 0.97, stop_loss=0.1, take_profit=0.2)
        elif kind == 3:
            context.target(symbol, random.random() / 3)
        elif kind == 4 and context.orders:
            context.cancel(random.choice(context.orders))
        elif kind == 5 and context.position(symbol):
            context.close(symbol)
        elif kind == 6:
            try:
                context.buy(symbol, 3)
            except Exception:
                pass
"""


_BOUNDED = """
from typing import Annotated

from pydantic import Field

Bounded = Annotated[int, Field(gt=4)]


class"""


def run_values(name: str, **values: Any) -> BacktestRequest:
    return BacktestRequest.parse(ASKED | {"strategy": name, "parameters": {}, **values})


@pytest.mark.parametrize(("source", "parameters"), [(DRAWN, {"bars": 7, "stop_loss": 0.02}), (CALLED, {"often": 2})])
def test_a_run_has_the_same_bytes(tmp_path: Path, source: str, parameters: dict[str, Any]) -> None:
    (tmp_path / "mine.py").write_text(source)
    request = run_values("mine", parameters=parameters, seed=11)
    bars = load(request)
    with opened(tmp_path, source, request=request) as kind:
        apart = run_backtest(bars, kind, request)
    here = run_backtest(bars, load_strategy_file(tmp_path / "mine.py"), request)
    assert apart.files == here.files


@pytest.mark.parametrize("seed", range(4))
def test_orders_of_all_kinds_are_made_again_as_they_were(tmp_path: Path, seed: int) -> None:
    (tmp_path / "mine.py").write_text(CALLED)
    panel = random_panel(seed, days=250)
    request = run_values("mine", seed=seed, model={"allows_short": True, "volume_cap": 0.3, "rest": "carry"})
    with opened(tmp_path, CALLED, request=request) as kind:
        apart, _ = run_stoppable(panel, kind.parse({"often": 1}), request, never)
    here, _ = run_stoppable(panel, load_strategy_file(tmp_path / "mine.py").parse({"often": 1}), request, never)
    assert apart.journal.height > 20
    assert apart.journal.equals(here.journal)
    assert (apart.equity == here.equity).all()


@pytest.mark.parametrize(
    "trick",
    [
        "context._broker.sim.account.cash += 1e6",
        "context._broker.sim.state.shares[0] += 100",
        "context.orders and setattr(context.orders[0], 'level', 1.0)",
    ],
)
def test_results_that_its_decisions_do_not_lead_to_are_refused(tmp_path: Path, trick: str) -> None:
    body = f"        context.buy(context.symbols[0], 100, limit=context.last(context.symbols[0]))\n        {trick}\n"
    source = f"class Strategy:\n    def prepare(self, panel): pass\n    def on_bar(self, context):\n{body}"
    request = run_values("mine")
    with (
        opened(tmp_path, source, request=request) as kind,
        pytest.raises(StrategyFailed, match="changed its account or an order other than by"),
    ):
        run_stoppable(load(request).panel, kind.parse({}), request, never)


def test_a_trial_does_not_depend_on_those_before_it(tmp_path: Path) -> None:
    choices = {"bars": [3, 5, 7, 9], "stop_loss": [0.01, 0.05]}
    request = SweepRequest.parse(ASKED | {"strategy": "mine", "parameters": choices, "folds": 3, "seed": 4})
    bars, found = load(request), []
    for sizes in ([8], [1, 3, 4]):
        parts: dict[str, bytes] = {}
        start = 0
        for size in sizes:
            with opened(tmp_path, DRAWN, request=request) as kind:
                numbers = tuple(range(start, start + size))
                asyncio.run(run_chunk(bars, kind, request, numbers, parts))
            start += size
        with opened(tmp_path, DRAWN, request=request) as kind:
            found.append(end_sweep(SweepEnd(bars, kind, request, join_trials(parts))).files)
    assert found[0] == found[1]


async def run_chunk(bars: Any, kind: Any, request: SweepRequest, numbers: tuple[int, ...], kept: Any) -> None:
    async def keep(name: str, content: bytes) -> None:
        kept[name] = content

    async def load_none() -> dict[str, bytes]:
        return {}

    chunk = sweep_chunks.SweepChunk(tuple(map(str, numbers)), numbers)
    report = await sweep_chunks.run_sweep_chunk(chunk, sweep_chunks.SweepTools(bars, kind, request, keep, load_none))
    assert len(report.outcomes) == len(numbers)


def test_a_combination_that_it_rejects_is_left_out_of_a_sweep(tmp_path: Path) -> None:
    source = DRAWN.replace(
        "bars: int = 5", "bars: __import__('annotated_types').Annotated[int, __import__('annotated_types').Gt(4)] = 5"
    )
    request = SweepRequest.parse(ASKED | {"strategy": "mine", "parameters": {"bars": [3, 5, 7]}})
    with opened(tmp_path, source, request=request) as kind:
        plan = sweep_chunks.plan_sweep(load(request), kind, request, slots=1)
        assert plan.facts["trials"] == 2
        with pytest.raises(InvalidRequest, match="greater than 4") as rejected:
            kind.parse({"bars": 3})
        assert rejected.value.pointer == "/bars"


def test_a_sweep_of_a_strategy_that_is_called_for_each_bar_is_refused(tmp_path: Path) -> None:
    request = SweepRequest.parse(ASKED | {"strategy": "mine", "parameters": {"often": [3, 5]}})
    with (
        opened(tmp_path, CALLED, request=request) as kind,
        pytest.raises(InvalidRequest, match="has on_bar, and a sweep needs targets"),
    ):
        sweep_chunks.plan_sweep(load(request), kind, request, slots=1)
