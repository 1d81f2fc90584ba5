"""Crossing moving averages."""

from typing import ClassVar

from pydantic import Field, model_validator

from batch.backtest.arrays import Floats
from batch.backtest.panel import Panel
from batch.backtest.signals import crosses_above, indicator, weights_on_change
from batch.backtest.strategies.settings import Bars, Side, StrategySettings


class SmaCross(StrategySettings):
    """Buy when the fast average crosses above the slow one; sell (or go short) when it crosses below."""

    name: ClassVar[str] = "sma_cross"
    title: ClassVar[str] = "crossing moving averages"

    fast: Bars = Field(default=10, description="bars of the fast average")
    slow: Bars = Field(default=20, description="bars of the slow average")
    side: Side = "long"

    @model_validator(mode="after")
    def _check(self) -> "SmaCross":
        if self.fast >= self.slow:
            raise ValueError(f"fast was {self.fast}, expected less than slow, {self.slow}")
        return self

    def targets(self, panel: Panel) -> Floats:
        """Return weights at crosses."""
        (fast,), (slow,) = indicator(panel, "sma", self.fast), indicator(panel, "sma", self.slow)
        up, down = crosses_above(fast, slow), crosses_above(slow, fast)
        short = down if self.side == "both" else None
        return weights_on_change(up, down, self.weight_in(panel), short)
