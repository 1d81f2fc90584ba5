"""Holding the strongest symbols of a panel."""

import numpy as np

from batch.backtest.engine.arrays import CLOSE, Floats
from batch.backtest.panel import Panel
from batch.backtest.strategies.parameters import MomentumRankParameters


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
