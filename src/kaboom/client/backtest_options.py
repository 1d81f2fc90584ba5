"""The fields of a backtest's request, for type checkers; the server checks them and has their defaults."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, TypedDict

from kaboom.client.source import IntervalName, When


class FeeOptions(TypedDict, total=False):
    """The fee of a fill: `rate` of its value plus `fixed`, within `least` and `most`; or `steps` of value and fee."""

    rate: float
    fixed: float
    least: float
    most: float | None
    steps: Sequence[tuple[float, float]]


class SlippageOptions(TypedDict, total=False):
    """How much worse than its price an order is filled: a share of the price, ticks, and by its part of the volume."""

    rate: float
    ticks: int
    impact: float


class FillOptions(TypedDict, total=False):
    """How orders are filled; docs/explanation/backtests.md states every convention."""

    lot: int
    has_ticks: bool
    has_limits: bool
    volume_cap: float
    rest: Literal["carry", "cancel"]
    size_at: Literal["decision", "fill"]
    fills_on_touch: bool
    allows_short: bool
    borrow_rate: float
    maintenance: float
    fees: FeeOptions
    slippage: SlippageOptions


class BacktestOptions(TypedDict, total=False):
    """On which bars a strategy runs, with which cash, and how its orders are filled.

    Attributes:
        parameters: of the strategy; by default its own.
        provider: whose bars.
        market: all symbols of this section that have bars, in place of symbols.
        sessions: how many sessions, unless `first` is given.
        first: the first day.
        last: the last session; by default the newest that has closed.
        benchmark: a symbol to compare with, or `topix`.
        cash: yen before the first bar.
        model: how orders are filled.
        as_of: bars, splits and lists as they were known at this moment.
        seed: of what is drawn at random.

    """

    parameters: Mapping[str, bool | float | str | None]
    interval: IntervalName
    provider: str | None
    market: str | None
    sessions: int
    first: date | str | None
    last: date | str | None
    benchmark: str | None
    cash: float
    model: FillOptions
    as_of: When | None
    seed: int
