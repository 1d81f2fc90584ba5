"""The result of a run, as columns."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from kaboom.backtest import metrics
from kaboom.backtest.engine.arrays import CASH, EQUITY, LAST, Floats, Sim
from kaboom.backtest.journal import FLOWS, positions_of, to_frame
from kaboom.backtest.panel import Panel
from kaboom.backtest.trades import pair_trades


@dataclass(frozen=True)
class Result:
    """The result of a run. Curves have one value for each bar, at its close, in yen.

    Attributes:
        panel: the bars of the run.
        sim: its arrays.
        start: the cash before the first bar, yen.

    """

    panel: Panel
    sim: Sim
    start: float

    @property
    def equity(self) -> Floats:
        """Cash plus positions, `[bars]`."""
        equity: Floats = self.sim.curves[EQUITY]
        return equity

    @property
    def cash(self) -> Floats:
        """Cash, `[bars]`."""
        cash: Floats = self.sim.curves[CASH]
        return cash

    @property
    def is_ruined(self) -> bool:
        """Whether short positions lost more than there was: the run ended there."""
        return bool(self.sim.account.is_ruined)

    @cached_property
    def positions(self) -> Floats:
        """Shares held, `[bars, symbols]`."""
        return positions_of(self.sim)

    @cached_property
    def journal(self) -> pl.DataFrame:
        """Every fill and every flow of cash, in `JOURNAL_SCHEMA`."""
        return to_frame(self.sim, self.panel)

    @cached_property
    def trades(self) -> pl.DataFrame:
        """Entries with their exits, in `TRADE_SCHEMA`."""
        last = self.panel.prices[LAST][-1].tolist()
        return pair_trades(self.journal, dict(zip(self.panel.symbols, last, strict=True)))

    @cached_property
    def returns(self) -> Floats:
        """The return of each session, `[sessions]`; the first one from the starting cash to its close."""
        return metrics.returns_of(self.equity[self.panel.session_ends], self.start)

    @property
    def drawdown(self) -> Floats:
        """How far the equity is below its highest value so far, as a share: 0 or less, `[bars]`."""
        peak = np.maximum.accumulate(np.append(self.start, self.equity))[1:]
        return self.equity / peak - 1.0

    @property
    def fees(self) -> float:
        """All fees, in yen."""
        return float(self.journal["fee"].sum())

    @property
    def flows(self) -> float:
        """Dividends, borrow costs and payments for fractions of a share at splits, in yen."""
        return float(self.journal.filter(pl.col("reason").is_in(FLOWS))["amount"].sum())

    @cached_property
    def exposure(self) -> Floats:
        """The value of all positions, long and short, as a share of equity, `[bars]`."""
        held = np.abs(self.positions)
        value = np.einsum("ij,ij->i", held, np.where(held == 0, 0.0, self.panel.prices[LAST]))
        exposure: Floats = np.divide(value, self.equity, out=np.zeros(value.size), where=self.equity > 0)
        return exposure

    @property
    def turnover(self) -> float:
        """The value bought and sold in a year, as a multiple of the mean equity; 1 is half in, half out."""
        fills = self.journal.filter(~pl.col("reason").is_in(FLOWS))
        value = float((fills["shares"].abs() * fills["price"]).sum())
        mean, years = float(self.equity.mean()), self.returns.size / metrics.SESSIONS
        return value / mean / years if mean > 0 else math.nan

    @property
    def hit_rate(self) -> float:
        """The share of closed trades with a gain after fees; NaN without any."""
        closed = self.trades.filter(pl.col("exit_bar").is_not_null())
        return float((closed["pnl"] > 0).mean()) if closed.height else math.nan  # type: ignore[arg-type]

    def summary(self) -> dict[str, float]:
        """Return the metrics of the run by name; ratios and rates are per year of `metrics.SESSIONS`."""
        return {
            "final_equity": float(self.equity[-1]),
            "total_return": float(self.equity[-1]) / self.start - 1,
            **metrics.measure(self.returns),
            "hit_rate": self.hit_rate,
            "turnover": self.turnover,
            "exposure": float(self.exposure.mean()),
            "trades": float(self.trades.filter(pl.col("exit_bar").is_not_null()).height),
            "fees": self.fees,
            "flows": self.flows,
        }
