"""Holding the strongest symbols of a panel."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from batch.backtest.arrays import CLOSE, Floats
from batch.backtest.panel import Panel
from batch.backtest.strategies.settings import Bars, StrategySettings


class MomentumRank(StrategySettings):
    """Every few bars, hold the symbols that rose most, with equal weights."""

    name: ClassVar[str] = "momentum_rank"
    title: ClassVar[str] = "the strongest symbols of the panel"

    lookback: Bars = Field(default=120, description="bars over which gains are compared")
    every: Annotated[int, Field(ge=1, le=500)] = Field(default=20, description="bars between two changes")
    top: Annotated[int, Field(ge=1, le=5000)] = Field(default=10, description="symbols held")

    def targets(self, panel: Panel) -> Floats:
        """Return weights in every so many bars; the first of equal gains by symbol wins."""
        last = panel.adjusted("last")
        targets = np.full(panel.shape, np.nan)
        for bar in range(self.lookback, panel.shape[0], self.every):
            gain = last[bar] / last[bar - self.lookback]
            # A symbol that did not trade in this bar cannot be bought by its price.
            gain[np.isnan(panel.prices[CLOSE, bar])] = np.nan
            best = np.argsort(-gain, kind="stable")[: min(self.top, int(np.count_nonzero(~np.isnan(gain))))]
            targets[bar] = 0.0
            targets[bar, best] = self.weight_in(panel)
        return targets

    def weight_in(self, panel: Panel) -> float:
        """Return the share of equity of each position: one divided by how many are held."""
        return self.weight if self.weight is not None else 1.0 / min(self.top, panel.shape[1])
