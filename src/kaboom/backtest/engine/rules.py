"""A fill model as the plain numbers that the engines read; importable without numpy."""

from typing import NamedTuple

#: The steps that a table of fees may have.
MAX_STEPS = 101

#: The tax on gains of listed stocks in Japan, 2014 to 2037: income tax of 15.315 % and residents' tax of 5 %.
TAX_RATE = 0.20315


class Rules(NamedTuple):
    """A fill model as plain numbers; `model.FillModel` describes them."""

    lot: float
    has_ticks: bool
    has_limits: bool
    has_foreign_limits: bool
    tick_bounds: tuple[float, ...]
    ticks: tuple[tuple[float, ...], ...]
    volume_cap: float
    is_rest_carried: bool
    is_sized_at_fill: bool
    is_filled_on_touch: bool
    is_short_allowed: bool
    borrow_rate: float
    maintenance: float
    fee_rate: float
    fee_fixed: float
    fee_least: float
    fee_most: float
    fee_steps: int
    fee_bounds: tuple[float, ...]
    fee_values: tuple[float, ...]
    is_fee_daily: bool
    tax_rate: float
    slip_rate: float
    slip_ticks: float
    slip_impact: float
    stop_loss: float
    take_profit: float
