"""The strategies that come with Kaboom, by name; their parameters are in `parameters`."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from kaboom.backtest.engine.arrays import CLOSE, Floats
from kaboom.backtest.panel import Panel
from kaboom.backtest.signals import crosses_above, highest_before, indicator, lowest_before, weights_on_change
from kaboom.backtest.strategies.parameters import (
    BreakoutParameters,
    BuyAndHoldParameters,
    MeanReversionParameters,
    MomentumRankParameters,
    SmaCrossParameters,
)


class SmaCross(SmaCrossParameters):
    """Buy when the fast average crosses above the slow one; sell (or go short) when it crosses below."""

    def targets(self, panel: Panel) -> Floats:
        """Return weights at crosses."""
        (fast,), (slow,) = indicator(panel, "sma", self.fast), indicator(panel, "sma", self.slow)
        up, down = crosses_above(fast, slow), crosses_above(slow, fast)
        short = down if self.side == "both" else None
        return weights_on_change(up, down, self.weight_in(panel), short)


class MomentumRank(MomentumRankParameters):
    """Every few bars, hold the symbols that rose most, with equal weights."""

    def targets(self, panel: Panel) -> Floats:
        """Return weights every few bars; of equal gains, the first symbol is chosen."""
        last = panel.adjusted("last")
        targets = np.full(panel.shape, np.nan)
        for bar in range(self.lookback, panel.shape[0], self.every):
            gain = last[bar] / last[bar - self.lookback]
            # A symbol that did not trade in this bar has no price to buy it at.
            gain[np.isnan(panel.prices[CLOSE, bar])] = np.nan
            best = np.argsort(-gain, kind="stable")[: min(self.top, int(np.count_nonzero(~np.isnan(gain))))]
            targets[bar] = 0.0
            targets[bar, best] = self.weight_in(panel)
        return targets


class MeanReversion(MeanReversionParameters):
    """Buy at a close below the lower band, sell at one at the middle or above; with `both`, the reverse too."""

    def targets(self, panel: Panel) -> Floats:
        """Return weights at the bars whose close leaves the bands, or comes back to the middle."""
        upper, middle, lower = indicator(panel, "bbands", self.period, self.deviations)
        close = panel.adjusted("close")
        if self.side == "long":
            return weights_on_change(close < lower, close >= middle, self.weight_in(panel))
        return _both_sides(close, (upper, middle, lower), self.weight_in(panel))


class Breakout(BreakoutParameters):
    """Buy at a close above the highest high of the bars before, sell at one below their lowest low (Donchian)."""

    def targets(self, panel: Panel) -> Floats:
        """Return weights at the bars whose close leaves the channel."""
        high, low, close = (panel.adjusted(name) for name in ("high", "low", "close"))
        up, down = close > highest_before(high, self.entry), close < lowest_before(low, self.exit)
        if self.side == "long":
            return weights_on_change(up, down, self.weight_in(panel))
        return weights_on_change(up, up & ~up, self.weight_in(panel), close < lowest_before(low, self.entry))


class BuyAndHold(BuyAndHoldParameters):
    """Buy each symbol after its first bar, with equal weights, and hold it."""

    def targets(self, panel: Panel) -> Floats:
        """Return the weight of each symbol in its first bar."""
        known = ~np.isnan(panel.prices[CLOSE])
        targets = np.full(panel.shape, np.nan)
        columns = np.flatnonzero(known.any(axis=0))
        targets[known.argmax(axis=0)[columns], columns] = self.weight_in(panel)
        return targets


type Strategy = SmaCross | MomentumRank | MeanReversion | Breakout | BuyAndHold

STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType(
    {kind.name: kind for kind in (SmaCross, MomentumRank, MeanReversion, Breakout, BuyAndHold)}
)


def _both_sides(close: Floats, bands: tuple[Floats, Floats, Floats], weight: float) -> Floats:
    """Return the sum of a long and a short side: they never hold at once, since each ends at the middle."""
    upper, middle, lower = bands
    crossed = (close >= middle, close <= middle)
    long = weights_on_change(close < lower, crossed[0], weight)
    short = -weights_on_change(close > upper, crossed[1], weight)
    return np.where(np.isnan(short), long, np.where(np.isnan(long), short, long + short))
