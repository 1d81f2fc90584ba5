"""Buying below Bollinger's lower band."""

import numpy as np

from batch.backtest.engine.arrays import Floats
from batch.backtest.panel import Panel
from batch.backtest.signals import indicator, weights_on_change
from batch.backtest.strategies.parameters import MeanReversionParameters


class MeanReversion(MeanReversionParameters):
    """Buy at a close below the lower band, sell at one at the middle or above; with `both`, the reverse too."""

    def targets(self, panel: Panel) -> Floats:
        """Return weights at the bars whose close leaves the bands, or comes back to the middle."""
        upper, middle, lower = indicator(panel, "bbands", self.period, self.deviations)
        close = panel.adjusted("close")
        if self.side == "long":
            return weights_on_change(close < lower, close >= middle, self.weight_in(panel))
        return _both_sides(close, (upper, middle, lower), self.weight_in(panel))


def _both_sides(close: Floats, bands: tuple[Floats, Floats, Floats], weight: float) -> Floats:
    """Return the sum of a long and a short side: they never hold at once, since each ends at the middle."""
    upper, middle, lower = bands
    crossed = (close >= middle, close <= middle)
    long = weights_on_change(close < lower, crossed[0], weight)
    short = -weights_on_change(close > upper, crossed[1], weight)
    return np.where(np.isnan(short), long, np.where(np.isnan(long), short, long + short))
