"""The client's options are typed: a wrong call is an error of mypy, which `make static` runs over this file.

Each wrong call has an ignore. If mypy accepts such a call, it says that the ignore is unused. So does pyright, with
`reportUnnecessaryTypeIgnoreComment`; it is no dependency, since it comes with Node.js, 280 MB.
"""

from typing import TYPE_CHECKING, TypeAliasType, get_args, is_typeddict

import pytest
from pydantic import BaseModel

from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.request import BacktestRequest
from kaboom.client.backtests import BacktestOptions, FeeOptions, FillOptions, SlippageOptions
from kaboom.client.portfolios import TradeOptions
from kaboom.client.source import IntervalName
from kaboom.market.interval import Interval
from kaboom.portfolio.schemas import NewTrade

if TYPE_CHECKING:
    import numpy as np

    import kaboom
    from kaboom.backtest.context import Context

    def check_bars(kb: kaboom.Kaboom) -> None:
        """Ask for bars, well and badly."""
        kb.bars(7203)
        kb.bars([7203, "6758"], "1m", market=None, as_of="2025-11-04")
        kb.bars(interval="1D")  # type: ignore[arg-type]
        kb.bars(7203.0)  # type: ignore[arg-type]
        kb.bars("7203", adjust=False)  # type: ignore[call-arg]
        kb.closes(market="TSE_PRIME", start="2025-01-01").drop("date").to_numpy().astype("f4")
        kb.closes("7203", "1w")  # type: ignore[arg-type]
        kb.coverage("daily")  # type: ignore[arg-type]
        kb.indicators(7203, ["rsi"], "1h")

    def check_backtest(kb: kaboom.Kaboom) -> None:
        """Run backtests, well and badly."""
        kb.backtest("sma_cross", 7203, parameters={"fast": 5}, model={"fees": {"rate": 0.001}}, progress=True)
        kb.backtest("sma_cross", "7203", session=60)  # type: ignore[call-arg]
        kb.backtest("sma_cross", "7203", cash="1,000,000")  # type: ignore[arg-type]
        kb.backtest("sma_cross", "7203", model={"slipage": {}})  # type: ignore[typeddict-unknown-key]
        kb.backtest("sma_cross", "7203", interval="1D")  # type: ignore[arg-type]

    async def check_coroutines(kb: kaboom.AsyncKaboom) -> None:
        """Ask in coroutines, well and badly."""
        await kb.closes([7203], "1d")
        await kb.backtest("sma_cross", market="TSE_PRIME", timeout_s=60)
        await kb.bars("7203", "1D")  # type: ignore[arg-type]
        await kb.backtest("sma_cross", seeds=1)  # type: ignore[call-arg]

    def check_orders(context: Context, level: np.float64) -> None:
        """Place orders, well and badly."""
        context.buy("7203", 100, limit=2500, stop_loss=0.05)
        context.sell("7203", 100, stop_at=level)
        context.buy("7203", 100, limt=2500)  # type: ignore[call-arg]
        context.sell("7203", 100, take="3000")  # type: ignore[arg-type]

    def check_trades(portfolio: kaboom.Portfolio) -> None:
        """Book trades, well and badly."""
        portfolio.trade("buy", 7203, 100, "2500", fee="55", day="2025-11-04")
        portfolio.trade("long", "7203", 100, "2500")  # type: ignore[arg-type]
        portfolio.trade("buy", "7203", 100, "2500", fees="55")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "model", "arguments"),
    [
        (BacktestOptions, BacktestRequest, {"strategy", "symbols"}),
        (FillOptions, FillModel, set[str]()),
        (FeeOptions, Fees, set[str]()),
        (SlippageOptions, Slippage, set[str]()),
        (TradeOptions, NewTrade, {"side", "symbol", "quantity", "price"}),
    ],
)
def test_options_are_the_fields_of_the_request(options: type, model: type[BaseModel], arguments: set[str]) -> None:
    assert is_typeddict(options)
    assert options.__annotations__.keys() == model.model_fields.keys() - arguments


def test_intervals_are_those_of_the_store() -> None:
    assert isinstance(IntervalName, TypeAliasType)
    assert get_args(IntervalName.__value__) == tuple(each.value for each in Interval)
