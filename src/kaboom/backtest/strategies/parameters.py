"""The parameters of the strategies that come with Kaboom, by name; importable without numpy.

The API and the command line check them here; `registry` adds the decisions.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from kaboom.backtest.strategies.settings import Bars, Side, StrategySettings
from kaboom.disclosures.ratios import OF_PRICES

if TYPE_CHECKING:
    from kaboom.backtest.panel import Panel

Ratio = Literal["per", "forward_per", "pbr", "dividend_yield"]


class SmaCrossParameters(StrategySettings):
    """Buy when the fast average crosses above the slow one; sell (or go short) when it crosses below."""

    name: ClassVar[str] = "sma_cross"
    title: ClassVar[str] = "crossing moving averages"

    fast: Bars = Field(default=10, description="bars of the fast average")
    slow: Bars = Field(default=20, description="bars of the slow average")
    side: Side = "long"

    @model_validator(mode="after")
    def _check(self) -> "SmaCrossParameters":
        if self.fast >= self.slow:
            raise ValueError(f"fast was {self.fast}, expected less than slow, {self.slow}")
        return self


class MomentumRankParameters(StrategySettings):
    """Every few bars, hold the symbols that rose most, with equal weights."""

    name: ClassVar[str] = "momentum_rank"
    title: ClassVar[str] = "the strongest symbols of the panel"

    lookback: Bars = Field(default=120, description="bars over which gains are compared")
    every: Annotated[int, Field(ge=1, le=500)] = Field(default=20, description="bars between two changes")
    top: Annotated[int, Field(ge=1, le=5000)] = Field(default=10, description="symbols held")

    def weight_in(self, panel: "Panel") -> float:
        """Return the share of equity of each position: one divided by how many are held."""
        return self.weight if self.weight is not None else 1.0 / min(self.top, panel.shape[1])


class ValueRankParameters(StrategySettings):
    """Every few bars, hold the symbols that are cheapest by a ratio to their statements, with equal weights."""

    name: ClassVar[str] = "value_rank"
    title: ClassVar[str] = "the cheapest symbols of the panel, by their statements"
    statements: ClassVar[tuple[str, ...]] = OF_PRICES

    by: Ratio = Field(default="per", description="the ratio: lowest first, of dividend_yield highest first")
    every: Annotated[int, Field(ge=1, le=500)] = Field(default=20, description="bars between two changes")
    top: Annotated[int, Field(ge=1, le=5000)] = Field(default=10, description="symbols held")

    def weight_in(self, panel: "Panel") -> float:
        """Return the share of equity of each position: one divided by how many are held."""
        return self.weight if self.weight is not None else 1.0 / min(self.top, panel.shape[1])


class MeanReversionParameters(StrategySettings):
    """Buy at a close below the lower band, sell at one at the middle or above; with `both`, the reverse too."""

    name: ClassVar[str] = "mean_reversion"
    title: ClassVar[str] = "back to the mean of Bollinger bands"

    period: Bars = Field(default=20, description="bars of the mean")
    deviations: Annotated[float, Field(ge=0.1, le=10)] = Field(default=2.0, description="distance of the bands")
    side: Side = "long"


class BreakoutParameters(StrategySettings):
    """Buy at a close above the highest high of the bars before, sell at one below their lowest low (Donchian)."""

    name: ClassVar[str] = "breakout"
    title: ClassVar[str] = "breakout from a price channel"

    entry: Bars = Field(default=55, description="bars of the channel to enter")
    exit: Bars = Field(default=20, description="bars of the channel to leave")
    side: Side = "long"


class BuyAndHoldParameters(StrategySettings):
    """Buy each symbol after its first bar, with equal weights, and hold it."""

    name: ClassVar[str] = "buy_and_hold"
    title: ClassVar[str] = "buy once, and hold"


PARAMETERS: Mapping[str, type[StrategySettings]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            SmaCrossParameters,
            MomentumRankParameters,
            ValueRankParameters,
            MeanReversionParameters,
            BreakoutParameters,
            BuyAndHoldParameters,
        )
    }
)


def in_order(strategy: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters in the order in which their strategy declares them, those of every strategy last.

    The ledger keeps JSON in an order of its own. Those of a user's own strategy stay as they are.
    """
    if strategy not in PARAMETERS:
        return dict(parameters)
    shared = BuyAndHoldParameters.model_fields
    order = sorted(PARAMETERS[strategy].model_fields, key=lambda name: name in shared)
    return {name: parameters[name] for name in (*order, *parameters) if name in parameters}
