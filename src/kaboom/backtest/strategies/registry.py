"""The strategies that come with Kaboom, by name; their parameters are in `parameters`."""

from collections.abc import Iterable, Mapping
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
    ValueRankParameters,
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
        gain = np.full(panel.shape, np.nan)
        gain[self.lookback :] = last[self.lookback :] / last[: -self.lookback]
        return _hold_highest(panel, gain, range(self.lookback, panel.shape[0], self.every), self)


class ValueRank(ValueRankParameters):
    """Every few bars, hold the symbols that are cheapest by a ratio to their statements, with equal weights."""

    def targets(self, panel: Panel) -> Floats:
        """Return weights every few bars; of equal ratios, the first symbol is chosen; without a ratio none is."""
        ratio = panel.statement(self.by)
        score = ratio if self.by == "dividend_yield" else -ratio
        return _hold_highest(panel, score, range(0, panel.shape[0], self.every), self)


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


type Strategy = SmaCross | MomentumRank | ValueRank | MeanReversion | Breakout | BuyAndHold

STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType(
    {kind.name: kind for kind in (SmaCross, MomentumRank, ValueRank, MeanReversion, Breakout, BuyAndHold)}
)


def _hold_highest(
    panel: Panel, score: Floats, bars: Iterable[int], chosen: MomentumRankParameters | ValueRankParameters
) -> Floats:
    """Return weights at some bars: those with the highest scores are held, and no others."""
    targets = np.full(panel.shape, np.nan)
    for bar in bars:
        # A symbol that did not trade in this bar has no price to buy it at.
        one = np.where(np.isnan(panel.prices[CLOSE, bar]), np.nan, score[bar])
        best = np.argsort(-one, kind="stable")[: min(chosen.top, int(np.count_nonzero(~np.isnan(one))))]
        targets[bar] = 0.0
        targets[bar, best] = chosen.weight_in(panel)
    return targets


def _both_sides(close: Floats, bands: tuple[Floats, Floats, Floats], weight: float) -> Floats:
    """Return the sum of a long and a short side: they never hold at once, since each ends at the middle."""
    upper, middle, lower = bands
    crossed = (close >= middle, close <= middle)
    long = weights_on_change(close < lower, crossed[0], weight)
    short = -weights_on_change(close > upper, crossed[1], weight)
    return np.where(np.isnan(short), long, np.where(np.isnan(long), short, long + short))
