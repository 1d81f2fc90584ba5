"""Buying new highs."""

from batch.backtest.engine.arrays import Floats
from batch.backtest.panel import Panel
from batch.backtest.signals import highest_before, lowest_before, weights_on_change
from batch.backtest.strategies.parameters import BreakoutParameters


class Breakout(BreakoutParameters):
    """Buy at a close above the highest high of the bars before, sell at one below their lowest low (Donchian)."""

    def targets(self, panel: Panel) -> Floats:
        """Return weights at the bars whose close leaves the channel."""
        high, low, close = (panel.adjusted(name) for name in ("high", "low", "close"))
        up, down = close > highest_before(high, self.entry), close < lowest_before(low, self.exit)
        if self.side == "long":
            return weights_on_change(up, down, self.weight_in(panel))
        return weights_on_change(up, up & ~up, self.weight_in(panel), close < lowest_before(low, self.entry))
