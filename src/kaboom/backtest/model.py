"""The fill model as a caller describes it, and as the plain numbers that the engines read."""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from kaboom.backtest.engine.rules import MAX_STEPS, TAX_RATE, Rules
from kaboom.backtest.fee_tables import FEE_TABLES, FeeTableName
from kaboom.backtest.protection import NO_PROTECTION, Protection
from kaboom.drivers.request import Request
from kaboom.market.bounds import LOT
from kaboom.market.fields import WHOLE

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Yen = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


def _to_steps(value: Any) -> Any:
    return (
        tuple(tuple(step) if isinstance(step, list) else step for step in value) if isinstance(value, list) else value
    )


class Fees(Request):
    """The fee of a fill: `rate` of its value plus `fixed`, within `least` and `most`; or steps; or a broker's table.

    A step is the largest value that it applies to, and its fee; the last step also applies to all larger values.
    """

    rate: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    fixed: _Yen = 0.0
    least: _Yen = 0.0
    most: _Yen | None = None
    steps: Annotated[tuple[tuple[_Yen, _Yen], ...], Field(max_length=MAX_STEPS), BeforeValidator(_to_steps)] = ()
    table: FeeTableName | None = Field(default=None, description="the fees of a broker; docs/reference/backtests.md")

    @model_validator(mode="after")
    def _check(self) -> "Fees":
        bounds = [bound for bound, _ in self.steps]
        if bounds != sorted(set(bounds)):
            raise ValueError("steps: expected values that ascend")
        has_rate = bool(self.rate or self.fixed or self.least or self.most is not None)
        if self.steps and has_rate:
            raise ValueError("steps: expected no rate, fixed, least or most beside them")
        if self.table and (self.steps or has_rate):
            raise ValueError("table: expected no rate, fixed, least, most or steps beside it")
        if self.most is not None and self.most < self.least:
            raise ValueError(f"most was {self.most:g}, expected at least {self.least:g}")
        return self


class Slippage(Request):
    """How much worse than its price a market or stop order is filled; the three parts add up.

    `rate` is a share of the price, `ticks` a number of ticks, and `impact` a share of the price times the square root
    of the part of the bar's volume that the order takes.
    """

    rate: Annotated[float, Field(ge=0, lt=0.5, allow_inf_nan=False)] = 0.0
    ticks: Annotated[int, Field(ge=0, le=100), WHOLE] = 0
    impact: Annotated[float, Field(ge=0, lt=0.5, allow_inf_nan=False)] = 0.0


#: The default costs of every door: the API, the command line, the forms and Python.
DEFAULT_FEES, DEFAULT_SLIPPAGE = Fees(rate=0.0005), Slippage(ticks=1)


class FillModel(Request):
    """How orders are filled; docs/explanation/backtests.md states every convention."""

    lot: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] = LOT
    has_ticks: bool | None = Field(
        default=None, description="whether prices are on the TSE's ticks; null: those of symbols with a code of it"
    )
    has_limits: bool | None = Field(
        default=None, description="whether the TSE's daily price limits hold; null: for symbols with a code of it"
    )
    volume_cap: _Share = Field(default=0.1, description="share of a bar's volume that is filled at most; 0: no cap")
    rest: Literal["carry", "cancel"] = Field(default="carry", description="what becomes of the rest of a partial fill")
    size_at: Literal["decision", "fill"] = Field(
        default="decision", description="whose price turns weights into shares"
    )
    fills_on_touch: bool = Field(default=False, description="a limit order is filled when its price is only touched")
    allows_short: bool = False
    borrow_rate: _Share = Field(default=0.0115, description="cost of a short position a year, of its value")
    maintenance: Annotated[float, Field(ge=1, le=2)] = Field(default=1.3, description="cash that short positions need")
    fees: Fees = Field(default=DEFAULT_FEES, description="default: 0.05 % of a fill's value; `{}`: none")
    tax_rate: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = Field(
        default=0.0,
        description=f"tax on gains, dividends and costs of short positions of a calendar year; in Japan {TAX_RATE}",
    )
    slippage: Slippage = Field(default=DEFAULT_SLIPPAGE, description="default: a tick; `{}`: none")

    def to_rules(self, protection: Protection = NO_PROTECTION) -> Rules:
        """Return the plain numbers, with the stop and the target of entries by weight."""
        from kaboom.market.rules import tick_table  # noqa: PLC0415 (numpy: the API checks fill models without it)

        bounds, periods = tick_table()
        table = FEE_TABLES[self.fees.table] if self.fees.table else None
        given = table.steps if table else self.fees.steps
        steps = [*given, *([(0.0, 0.0)] * (MAX_STEPS - len(given)))]
        return Rules(
            lot=float(self.lot),
            has_ticks=self.has_ticks is not False,
            has_limits=self.has_limits is not False,
            has_foreign_limits=bool(self.has_limits),
            tick_bounds=bounds,
            ticks=tuple(
                row
                for others, mid400, topix100 in periods
                for row in (others, mid400, topix100, others if self.has_ticks else (0.0,) * len(others))
            ),
            volume_cap=float(self.volume_cap),
            is_rest_carried=self.rest == "carry",
            is_sized_at_fill=self.size_at == "fill",
            is_filled_on_touch=self.fills_on_touch,
            is_short_allowed=self.allows_short,
            borrow_rate=float(self.borrow_rate),
            maintenance=float(self.maintenance),
            fee_rate=float(self.fees.rate),
            fee_fixed=float(self.fees.fixed),
            fee_least=float(self.fees.least),
            fee_most=math.inf if self.fees.most is None else float(self.fees.most),
            fee_steps=len(given),
            fee_bounds=tuple(float(bound) for bound, _ in steps),
            fee_values=tuple(float(value) for _, value in steps),
            is_fee_daily=table is not None and table.is_daily,
            tax_rate=float(self.tax_rate),
            slip_rate=float(self.slippage.rate),
            slip_ticks=float(self.slippage.ticks),
            slip_impact=float(self.slippage.impact),
            stop_loss=math.nan if protection.stop_loss is None else protection.stop_loss,
            take_profit=math.nan if protection.take_profit is None else protection.take_profit,
        )
