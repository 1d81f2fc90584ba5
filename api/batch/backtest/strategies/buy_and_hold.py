"""Buying everything once: the strategy that others are compared with."""

import numpy as np

from batch.backtest.engine.arrays import CLOSE, Floats
from batch.backtest.panel import Panel
from batch.backtest.strategies.parameters import BuyAndHoldParameters


class BuyAndHold(BuyAndHoldParameters):
    """Buy each symbol after its first bar, with equal weights, and hold it."""

    def targets(self, panel: Panel) -> Floats:
        """Return the weight of each symbol in its first bar."""
        known = ~np.isnan(panel.prices[CLOSE])
        targets = np.full(panel.shape, np.nan)
        columns = np.flatnonzero(known.any(axis=0))
        targets[known.argmax(axis=0)[columns], columns] = self.weight_in(panel)
        return targets
