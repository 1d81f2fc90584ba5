"""Buying below Bollinger's lower band."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from batch.backtest.arrays import Floats
from batch.backtest.panel import Panel
from batch.backtest.signals import indicator, weights_on_change
from batch.backtest.strategies.settings import Bars, Side, StrategySettings


class MeanReversion(StrategySettings):
    """Buy at a close below the lower band, sell at one at the middle or above; with `both`, the reverse too."""

    name: ClassVar[str] = "mean_reversion"
    title: ClassVar[str] = "back to the mean of Bollinger bands"

    period: Bars = Field(default=20, description="bars of the mean")
    deviations: Annotated[float, Field(ge=0.1, le=10)] = Field(default=2.0, description="distance of the bands")
    side: Side = "long"

    def targets(self, panel: Panel) -> Floats:
        """Return weights where a close leaves the bands, and where it comes back to the middle."""
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
