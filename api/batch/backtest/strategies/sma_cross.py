"""Crossing moving averages."""

from batch.backtest.engine.arrays import Floats
from batch.backtest.panel import Panel
from batch.backtest.signals import crosses_above, indicator, weights_on_change
from batch.backtest.strategies.parameters import SmaCrossParameters


class SmaCross(SmaCrossParameters):
    """Buy when the fast average crosses above the slow one; sell (or go short) when it crosses below."""

    def targets(self, panel: Panel) -> Floats:
        """Return weights at crosses."""
        (fast,), (slow,) = indicator(panel, "sma", self.fast), indicator(panel, "sma", self.slow)
        up, down = crosses_above(fast, slow), crosses_above(slow, fast)
        short = down if self.side == "both" else None
        return weights_on_change(up, down, self.weight_in(panel), short)
